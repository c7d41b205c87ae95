"""FAISS flat index: exact search by matrix product, on the GPU when there is one.

GPU indexes have no `remove_ids` and ignore `IDSelector` without a word (faiss issues 584, 3114,
3924), so removal is a tombstone on the row, over-fetching past the tombstones, and a rebuild once
there are many. The CPU takes the same path: one way to be right.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from engine.index import EVERYTHING, Planned, best, named, spread, unit
from engine.types import Bitmap, Floats, Ids

MAX_TOMBSTONES = 1000
GPU_MAX_K = 2048  # what FAISS's GPU k-selection can return


class FlatIndex:
    """Rows of a FAISS `IndexFlatIP`, with the id and the state of each row beside it."""

    kind = "flat"

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._on_gpu = faiss.get_num_gpus() > 0
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._live = np.empty(0, dtype=bool)
        self._index = self._placed(faiss.IndexFlatIP(dim))
        self._is_mapped = False

    def __len__(self) -> int:
        return int(np.count_nonzero(self._live))

    def add(self, ids: Ids, vectors: Floats) -> None:
        vectors = unit(vectors, self.dim)
        if len(ids) and len(self._ids) and ids.min() <= self._ids.max():  # new items need no look
            self.remove(ids)
        if self._is_mapped:  # FAISS ends the process that adds to a file
            self._rebuild(*self.contents())
        self._index.add(vectors)
        self._ids = np.concatenate([self._ids, ids])
        self._live = np.concatenate([self._live, np.ones(len(ids), dtype=bool)])

    def remove(self, ids: Ids) -> None:
        self._live &= ~np.isin(self._ids, ids)
        if len(self._ids) - len(self) > max(MAX_TOMBSTONES, len(self) // 10):
            self._rebuild(*self.contents())

    def search(self, queries: Floats, k: int, plan: Planned = EVERYTHING) -> tuple[Floats, Ids]:
        queries = unit(queries, self.dim)
        if plan.rows is None:
            return self._scan(queries, k)
        if plan.gather or self._on_gpu or not plan.rows.any():
            return self._gather(queries, k, np.flatnonzero(plan.rows))
        return self._select(queries, k, plan.rows)

    def rows(self, bitmap: Bitmap) -> Bitmap:
        return self._live & named(self._ids, bitmap)

    def _scan(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Search all rows, and so many more hits as there are tombstones to be passed over."""
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        fetched = min(k + len(self._ids) - len(self), self._index.ntotal)
        if self._on_gpu:
            fetched = min(fetched, GPU_MAX_K)
        if fetched == 0:
            return scores, ids
        found_scores, found_rows = self._index.search(queries, fetched)  # (q, fetched)
        if self._live[found_rows].sum(axis=1).min(initial=k) < min(k, len(self)):
            return self._gather(queries, k, np.flatnonzero(self._live))  # more than a GPU can select
        for place, (row_scores, rows) in enumerate(zip(found_scores, found_rows, strict=True)):
            alive = self._live[rows]
            kept = min(k, int(alive.sum()))
            scores[place, :kept] = row_scores[alive][:kept]
            ids[place, :kept] = self._ids[rows[alive]][:kept]
        return scores, ids

    def _gather(self, queries: Floats, k: int, rows: Ids) -> tuple[Floats, Ids]:
        """Take the vectors of these rows and score them alone."""
        vectors: Floats = np.empty((len(rows), self.dim), dtype=np.float32)
        if len(rows):
            self._index.reconstruct_batch(rows, vectors)
        return best(queries @ vectors.T, self._ids[rows], k)

    def _select(self, queries: Floats, k: int, rows: Bitmap) -> tuple[Floats, Ids]:
        """Scan all rows with a selector that skips those that are not wanted."""
        bits = np.packbits(rows, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        found_scores, found_rows = self._index.search(queries, k, params=parameters)
        found = found_rows >= 0
        ids = np.where(found, self._ids[np.where(found, found_rows, 0)], -1)
        return np.where(found, found_scores, -np.inf).astype(np.float32), ids

    def contents(self) -> tuple[Ids, Floats]:
        vectors: Floats = self._index.reconstruct_n(0, self._index.ntotal)
        return (self._ids, vectors) if self._live.all() else (self._ids[self._live], vectors[self._live])

    def sample(self, count: int) -> Floats:
        rows = spread(np.flatnonzero(self._live), count)
        vectors: Floats = np.empty((len(rows), self.dim), dtype=np.float32)
        if len(rows):
            self._index.reconstruct_batch(rows, vectors)
        return vectors

    def save(self, stem: Path) -> Ids:
        index, ids = self._index, self._ids
        if not self._live.all():  # it may be searched meanwhile, so it stays as it is
            ids, vectors = self.contents()
            index = faiss.IndexFlatIP(self.dim)
            index.add(vectors)
        elif self._on_gpu:
            index = faiss.index_gpu_to_cpu(index)
        write_faiss(index, stem)
        return ids

    def load(self, stem: Path, ids: Ids) -> None:
        path = str(stem.with_name(f"{stem.name}.index"))
        self._index = self._placed(faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC))
        self._is_mapped = not self._on_gpu
        self._ids, self._live = ids, np.ones(len(ids), dtype=bool)

    def _rebuild(self, ids: Ids, vectors: Floats) -> None:
        self._index = self._placed(faiss.IndexFlatIP(self.dim))
        self._index.add(vectors)
        self._is_mapped = False
        self._ids, self._live = ids, np.ones(len(ids), dtype=bool)

    def _placed(self, index: Any) -> Any:
        if not self._on_gpu:
            return index
        return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)


def write_faiss(index: Any, stem: Path) -> None:
    """Write a FAISS index to the file that begins with `stem`; raises `OSError` on a full disk."""
    try:
        faiss.write_index(index, str(stem.with_name(f"{stem.name}.index")))
    except RuntimeError as error:
        raise OSError(errno.EIO, str(error).rpartition("Error: ")[2]) from error
