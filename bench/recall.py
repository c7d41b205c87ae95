"""The exact answers to the made-up queries, and how many of them a search finds."""

from __future__ import annotations

from typing import Any

import faiss as faiss_library
import numpy as np

from bench.indexes import Data
from engine import SearchEngine
from engine.types import Bitmap, Floats

faiss: Any = faiss_library
ASKED = 100
NEAR = 1e-5  # of items whose cosines differ less, any is as good as another


def truth(data: Data, allowed: Bitmap | None = None) -> Floats:
    """Return the cosines (ASKED, 10) of the best items, or of the best that are allowed (a mask of items)."""
    vectors = data.vectors()
    some = vectors if allowed is None else vectors[allowed]
    scores: Floats = faiss.knn(data.queries(ASKED), some, 10, metric=faiss.METRIC_INNER_PRODUCT)[0]
    return scores


def recalls(engine: SearchEngine, best: Floats, filter: str | None = None) -> float:
    """Return recall@10 of the engine's own searches."""
    found = [
        sum(
            hit.signals["caption"] >= row[-1] - NEAR
            for hit in engine.search(f"query {place}", k=10, filter=filter)
        )
        for place, row in enumerate(best)
    ]
    return float(np.mean(np.minimum(found, 10)) / 10)
