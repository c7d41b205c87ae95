"""The reference index: a NumPy matrix, searched in full. Every other kind is tested against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.index import EVERYTHING, Planned, best, named, spread, unit
from engine.types import Bitmap, Floats, Ids

COPIED = 0.2  # copying up to this share of the vectors, to score them alone, is faster than scoring all


class ExactIndex:
    """Cosine similarity with every vector, computed one query batch at a time."""

    kind = "exact"

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._vectors: Floats = np.empty((0, dim), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Ids, vectors: Floats) -> None:
        vectors = unit(vectors, self.dim)
        self.remove(ids)
        self._ids = np.concatenate([self._ids, ids])
        self._vectors = np.concatenate([self._vectors, vectors])

    def remove(self, ids: Ids) -> None:
        keep = ~np.isin(self._ids, ids)
        self._ids, self._vectors = self._ids[keep], self._vectors[keep]

    def search(self, queries: Floats, k: int, plan: Planned = EVERYTHING) -> tuple[Floats, Ids]:
        queries = unit(queries, self.dim)
        if plan.rows is None:
            return best(queries @ self._vectors.T, self._ids, k)
        ids = self._ids[plan.rows]
        if len(ids) > COPIED * len(plan.rows):
            return best((queries @ self._vectors.T)[:, plan.rows], ids, k)
        return best(queries @ self._vectors[plan.rows].T, ids, k)

    def rows(self, bitmap: Bitmap) -> Bitmap:
        return named(self._ids, bitmap)

    def contents(self) -> tuple[Ids, Floats]:
        return self._ids, self._vectors

    def sample(self, count: int) -> Floats:
        return self._vectors[spread(np.arange(len(self._ids)), count)]

    def save(self, stem: Path) -> Ids:
        with stem.with_name(f"{stem.name}.vectors.npy").open("wb") as file:
            np.save(file, self._vectors)
        return self._ids

    def load(self, stem: Path, ids: Ids) -> None:
        self._ids, self._vectors = ids, np.load(stem.with_name(f"{stem.name}.vectors.npy"), mmap_mode="r")
