"""Cells: the best of what lies far from a query, where a filter hides all that is near, from a part of it.

Each row lies in the cell whose center is nearest, of about as many cells as a cell has rows (k-means on the
sphere). Of the rows that a filter allows, those in the cells nearest to the query are scored, a part of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import faiss
import numpy as np

from engine.types import Floats, Ids

ROUNDS = 10
TRAINING_ROWS = 64  # for each cell, at most
SHARE = 1 / 3  # of the allowed rows, so many are scored: of a quarter recall@10 was 0.988 (bench/filters.py),
LEAST = 2000  # or so many where that is more
CROWDED = 1.5  # they are outgrown where so many times as many would be made for what they hold by now
BLOCK = 65_536  # rows that are placed at a time


@dataclass(frozen=True, slots=True)
class Cells:
    """The centers (cells, dim), and the cell of each row (n,)."""

    centers: Floats
    rows: Ids

    @classmethod
    def made(cls, vectors: Floats) -> Cells:
        """Find cells for (n, dim) unit vectors, with a seed."""
        count = _count(len(vectors))
        some = np.random.default_rng(0).permutation(len(vectors))[: TRAINING_ROWS * count]
        means = faiss.Kmeans(vectors.shape[1], count, niter=ROUNDS, spherical=True, seed=0)
        means.train(vectors[np.sort(some)])
        centers: Floats = np.asarray(means.centroids)
        return cls(centers, _placed(vectors, centers))

    def grown(self, vectors: Floats) -> Cells:
        """Return the same cells with more rows in them, of these vectors."""
        return Cells(self.centers, np.concatenate([self.rows, _placed(vectors, self.centers)]))

    def suit(self, items: int) -> bool:
        """Tell whether they still do for so many items."""
        return _count(items) <= CROWDED * len(self.centers)

    def nearest(self, query: Floats, rows: Ids) -> Ids:
        """Return those of these rows in the cells nearest to a query (dim,): LEAST, or a SHARE of them."""
        if len(rows) <= LEAST:
            return rows
        cells = self.rows[rows]
        order = np.argsort(-(self.centers @ query))
        reached = np.cumsum(np.bincount(cells, minlength=len(order))[order])
        last = np.searchsorted(reached, max(LEAST, SHARE * len(rows)))
        chosen = np.zeros(len(order), dtype=bool)
        chosen[order[: last + 1]] = True
        return rows[chosen[cells]]

    def save(self, path: Path) -> None:
        """Write them to a file."""
        with path.open("wb") as file:
            np.savez(file, centers=self.centers, rows=self.rows)

    @classmethod
    def load(cls, path: Path) -> Cells:
        """Read what `save` wrote."""
        with path.open("rb") as file, np.load(file) as held:
            return cls(held["centers"], held["rows"])


def _count(items: int) -> int:
    return max(1, round(sqrt(items)))


def _placed(vectors: Floats, centers: Floats) -> Ids:
    """Return the cell of each vector."""
    index = faiss.IndexFlatIP(centers.shape[1])
    index.add(centers)
    blocks = range(0, len(vectors), BLOCK)
    found = [
        index.search(np.ascontiguousarray(vectors[start : start + BLOCK]), 1)[1][:, 0] for start in blocks
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *found]).astype(np.int32)
