"""The reference index: a NumPy matrix, searched in full. Every other kind is tested against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.index import unit
from engine.types import Floats, Ids


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

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        similarities = unit(queries, self.dim) @ self._vectors.T  # (q, n)
        found = min(k, len(self))
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :found]
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        scores[:, :found] = np.take_along_axis(similarities, order, axis=1)
        ids[:, :found] = self._ids[order]
        return scores, ids

    def contents(self) -> tuple[Ids, Floats]:
        return self._ids, self._vectors

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, self._vectors)

    def load(self, path: Path, ids: Ids) -> None:
        self._ids, self._vectors = ids, np.load(path)
