"""How each approximate kind is made with FAISS, how hard it may look, and what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss as faiss_library
import numpy as np

from engine.types import Floats

faiss: Any = faiss_library  # its type stubs leave out half of what it has
TRAINING_VECTORS = 64  # a cell of an inverted file needs at least 39 to be placed well


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kind is made, and how hard it may be told to look, least first.

    `parameters` are made from an effort and the number of rows wanted. `refine` is how many rows are
    proposed for each hit wanted: more where vectors are stored coarsely. `bytes_per_item` estimates its
    memory from the dimension, the mapped vectors not counted.
    """

    factory: Callable[[int, int], str]  # (items, dim) -> FAISS's description
    efforts: tuple[int, ...]
    parameters: Callable[..., Any]
    bytes_per_item: Callable[[int], int]
    refine: int = 1

    def made(self, vectors: Floats) -> Any:
        """Train and fill an index from (n, dim) unit vectors, with a seed of FAISS's own."""
        items, dim = vectors.shape
        index = faiss.index_factory(dim, self.factory(items, dim), faiss.METRIC_INNER_PRODUCT)
        if not index.is_trained:
            some = np.random.default_rng(0).permutation(items)[: TRAINING_VECTORS * _cells(items)]
            index.train(vectors[np.sort(some)])
        index.add(vectors)
        return index


def _inverted(**more: Any) -> Recipe:
    return Recipe(
        efforts=(4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
        parameters=lambda effort, _count, **rest: faiss.SearchParametersIVF(nprobe=effort, **rest),
        **more,
    )


def _cells(items: int) -> int:
    return max(1, min(int(4 * items**0.5), items // 39))


def _subquantizers(dim: int) -> int:
    """Return the number of bytes a vector is coded into: about dim / 4, and a divisor of it."""
    return next(m for m in range(max(1, dim // 4), 0, -1) if dim % m == 0)


RECIPES = {
    "hnsw": Recipe(  # of bytes: a walk goes through a quarter of the memory, and leaves the caches to others
        factory=lambda n, d: "HNSW32,SQ8",
        efforts=(32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 2048),
        parameters=lambda effort, count, **more: faiss.SearchParametersHNSW(
            efSearch=max(effort, count), **more
        ),
        bytes_per_item=lambda d: d + 272,
        refine=2,
    ),
    "ivf": _inverted(factory=lambda n, d: f"IVF{_cells(n)},Flat", bytes_per_item=lambda d: 4 * d + 8),
    "ivf-sq8": _inverted(
        factory=lambda n, d: f"IVF{_cells(n)},SQ8", bytes_per_item=lambda d: d + 8, refine=2
    ),
    "ivf-pq": _inverted(  # no order of codes: training it takes minutes
        factory=lambda n, d: f"IVF{_cells(n)},PQ{_subquantizers(d)}np",
        bytes_per_item=lambda d: d // 4 + 8,
        refine=10,
    ),
}
