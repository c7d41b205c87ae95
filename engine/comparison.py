"""Two models of one gallery compared by what their vectors find, before one takes the other's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.serving import Serving
from engine.store.candidate import sample_texts
from engine.types import PLACES, Ids, Place

K = 10
SAMPLE = 200  # queries taken from the gallery


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models find for the same queries, by nearest vectors alone.

    `overlap` is the mean share of the first ten hits that both have. `recall` has, for
    "old" and "new", R@1, R@5 and R@10 in percent of captions asking for their own picture; it is empty where
    no picture has a caption.
    """

    queries: int
    overlap: float
    recall: Mapping[str, Mapping[str, float]]


def compare(old: Serving, new: Serving, queries: Sequence[str] | None) -> Comparison | None:
    """Ask both models the same texts: `queries`, else captions, else texts; `None` where there are none."""
    pictures, texts = PLACES["visual"], PLACES["caption"]
    place = pictures if pictures in old.generation.views else texts
    captions = sample_texts(old.store, "image", SAMPLE)
    asked = list(queries or [text for _, text in captions or sample_texts(old.store, "text", SAMPLE)])
    if not asked:
        return None
    found = [_nearest(serving, asked, place) for serving in (old, new)]
    shared = [len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(*found, strict=True)]
    most = max(1, min(K, len(old.generation.views[place].index)))
    recall = {}
    if captions:
        own = np.array([[item_id] for item_id, _ in captions])
        for name, serving in (("old", old), ("new", new)):
            hits = _nearest(serving, [text for _, text in captions], pictures) == own  # (captions, K)
            recall[name] = {f"R@{k}": 100 * float(hits[:, :k].any(axis=1).mean()) for k in (1, 5, 10)}
    return Comparison(len(asked), float(np.mean(shared)) / most, recall)


def _nearest(serving: Serving, texts: Sequence[str], place: Place) -> Ids:
    vectors = serving.load().encoder.encode_text(texts).vectors
    return serving.generation.views[place].index.search(vectors, K)[1]
