"""Approximate indexes: FAISS proposes rows, their own vectors decide.

What was built stays as it is, memory-mapped; what comes after goes to a flat index beside it, and what
goes is a tombstone, until an index is made that has both built in. The vectors themselves are mapped too, so
every score that leaves is an exact cosine, a strict filter can be answered exactly, and a rebuild needs no
other source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any

import faiss as faiss_library
import numpy as np

from engine.index import EVERYTHING, Planned, best, named, unit
from engine.index.flat import FlatIndex, write_faiss
from engine.types import Bitmap, Floats, Ids

faiss: Any = faiss_library  # its type stubs leave out half of what it has
TRAINING_VECTORS = 64  # a cell of an inverted file needs at least 39 to be placed well
NEAR = 20  # so many allowed items are expected among the nearest that are looked at, to trust a filter,
TRUST = 0.5  # and so much of that there must be (bench/filters.py)
GONE_ID = -1  # a tombstone, in the place of an item's id
GONE = 0.1  # where more than this share are tombstones an index is built anew,
CROWDED = 1.5  # or where so many times its cells would be made for what it holds by now


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kind is made, and how hard it may be told to look, least first.

    `parameters` are made from an effort and the number of rows wanted. `suits` tells whether an index that
    was made for fewer still does for so many. `refine` is how many rows are proposed for each hit wanted:
    more where vectors are stored coarsely.
    `bytes_per_item` estimates its memory from the dimension, the mapped vectors not counted.
    """

    factory: Callable[[int, int], str]  # (items, dim) -> FAISS's description
    efforts: tuple[int, ...]
    parameters: Callable[..., Any]
    suits: Callable[[Any, int], bool]  # (index, items)
    bytes_per_item: Callable[[int], int]
    refine: int = 1


def _cells(items: int) -> int:
    return max(1, min(int(4 * items**0.5), items // 39))


def _roomy(index: Any, items: int) -> bool:
    return bool(_cells(items) <= CROWDED * index.nlist)


def _hnsw(effort: int, count: int, **more: Any) -> Any:
    return faiss.SearchParametersHNSW(efSearch=max(effort, count), **more)


def _inverted(effort: int, _count: int, **more: Any) -> Any:
    return faiss.SearchParametersIVF(nprobe=effort, **more)


WALKS = (32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024)
PROBES = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
RECIPES = {
    "hnsw": Recipe(lambda n, d: "HNSW32,Flat", WALKS, _hnsw, lambda _i, _n: True, lambda d: 4 * d + 272),
    "ivf": Recipe(lambda n, d: f"IVF{_cells(n)},Flat", PROBES, _inverted, _roomy, lambda d: 4 * d + 8),
    "ivf-sq8": Recipe(
        lambda n, d: f"IVF{_cells(n)},SQ8", PROBES, _inverted, _roomy, lambda d: d + 8, refine=2
    ),
    "ivf-pq": Recipe(
        lambda n, d: (
            f"IVF{_cells(n)},PQ{_subquantizers(d)}np"
        ),  # no order of codes: training it takes minutes
        PROBES,
        _inverted,
        _roomy,
        lambda d: d // 4 + 8,
        refine=10,
    ),
}


def _subquantizers(dim: int) -> int:
    """Return the number of bytes a vector is coded into: about dim / 4, and a divisor of it."""
    return next(m for m in range(max(1, dim // 4), 0, -1) if dim % m == 0)


class ApproximateIndex:
    """A built FAISS index of one of the RECIPES, the vectors it was built from, and what came after."""

    def __init__(
        self, kind: str, dim: int, effort: int | None = None, strict_effort: int | None = None
    ) -> None:
        """Take the efforts the autopilot found enough: for all items, and for one in ten of them."""
        self.kind = kind
        self.dim = dim
        self.effort = effort or RECIPES[kind].efforts[0]
        self.strict_effort = strict_effort or 10 * self.effort
        self._recipe = RECIPES[kind]
        self._index: Any = None
        self._file: Path | None = None  # where it is mapped from
        self.vectors: Floats = np.empty((0, dim), dtype=np.float32)  # of the rows built in, tombstones too
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._live = np.empty(0, dtype=bool)
        self._gone = 0  # how many rows are not live: counting a million takes longer than much of a search
        self._fresh = FlatIndex(dim)

    @classmethod
    def build(cls, kind: str, ids: Ids, vectors: Floats) -> ApproximateIndex:
        """Train and fill an index from n vectors, with a seed of FAISS's own, so it comes out the same."""
        made = cls(kind, vectors.shape[1])
        vectors = unit(vectors, made.dim)
        index = faiss.index_factory(
            made.dim, made._recipe.factory(len(ids), made.dim), faiss.METRIC_INNER_PRODUCT
        )
        if not index.is_trained:
            some = np.random.default_rng(0).permutation(len(ids))[: TRAINING_VECTORS * _cells(len(ids))]
            index.train(vectors[np.sort(some)])
        index.add(vectors)
        made._take(index, vectors, ids)
        return made

    def grown(self) -> ApproximateIndex | None:
        """Return an index that has what came since built in, and tombstones; none where that does not pay."""
        ids, vectors = self._fresh.contents()
        items = len(self._ids) + len(ids)
        if self._file is None or self._gone > GONE * items or not self._recipe.suits(self._index, items):
            return None
        index = faiss.read_index(str(self._file))  # not mapped: FAISS ends the process that adds to a file
        index.add(vectors)
        made = ApproximateIndex(self.kind, self.dim)
        known = np.where(self._live, self._ids, GONE_ID)
        made._take(index, np.concatenate([self.vectors, vectors]), np.concatenate([known, ids]))
        return made

    def _take(self, index: Any, vectors: Floats, ids: Ids) -> None:
        self._index, self.vectors, self._ids = index, vectors, ids
        self._live = ids != GONE_ID
        self._gone = len(ids) - int(np.count_nonzero(self._live))

    def __len__(self) -> int:
        return len(self._ids) - self._gone + len(self._fresh)

    def add(self, ids: Ids, vectors: Floats) -> None:
        self._fresh.add(ids, vectors)
        self._bury(ids)

    def remove(self, ids: Ids) -> None:
        self._fresh.remove(ids)
        self._bury(ids)

    def _bury(self, ids: Ids) -> None:
        self._live &= ~np.isin(self._ids, ids)
        self._gone = len(self._ids) - int(np.count_nonzero(self._live))

    def rows(self, bitmap: Bitmap) -> Bitmap:
        return np.concatenate([self._live & named(self._ids, bitmap), self._fresh.rows(bitmap)])

    def search(self, queries: Floats, k: int, plan: Planned = EVERYTHING) -> tuple[Floats, Ids]:
        queries = unit(queries, self.dim)
        built = len(self._ids)
        wanted = self._live if plan.rows is None else plan.rows[:built]
        fresh_plan = EVERYTHING if plan.rows is None else Planned(plan.rows[built:], plan.gather)
        scores, ids = self._fresh.search(queries, k, fresh_plan)
        for place, rows in enumerate(self._candidates(queries, k, wanted, plan)):
            own = np.concatenate([self._cosines(rows, queries[place]), scores[place]])
            known = np.concatenate([self._ids[rows], ids[place]])
            (scores[place],), (ids[place],) = best(own[None], known, k)
        return scores, ids

    def _cosines(self, rows: Ids, query: Floats) -> Floats:
        """Score rows where they lie: copying them first takes twice as long, and memory by their number."""
        scores: Floats = np.empty(len(rows), dtype=np.float32)
        rows = np.ascontiguousarray(rows)
        pointers = map(faiss.swig_ptr, (scores, query, self.vectors, rows))
        faiss.fvec_inner_products_by_idx(*pointers, self.dim, 1, len(rows))
        return scores

    def _candidates(self, queries: Floats, k: int, wanted: Bitmap, plan: Planned) -> list[Ids]:
        """Choose the rows whose vectors decide: all that are wanted where FAISS would miss some of them."""
        allowed = self._count(wanted)
        if plan.gather or not allowed:
            return [np.flatnonzero(wanted)] * len(queries)
        share = allowed / len(wanted)
        near = np.full(len(queries), share)
        if plan.rows is not None:
            near = self._shares_near(queries, wanted, share)
        trusted = near >= share * TRUST  # else what is wanted lies far off, where a walk hardly comes by
        found = np.full((len(queries), 1), -1)
        if trusted.any():
            scarce = min(1.0, near[trusted].min() / share)  # then they lie on one side: look as much further
            effort = round(self._effort_for(share) / scarce**2)
            proposed = self.propose(queries[trusted], k, wanted, effort)
            found = np.full((len(queries), proposed.shape[1]), -1)
            found[trusted] = proposed
        return [rows if rows[-1] >= 0 else np.flatnonzero(wanted) for rows in found]

    def _shares_near(self, queries: Floats, wanted: Bitmap, share: float) -> Floats:
        """Tell for each query how often its nearest are wanted."""
        rows = self.propose(queries, min(round(NEAR / share), len(wanted)), self._live, self.effort)
        return np.asarray((wanted[rows] & (rows >= 0)).mean(axis=1))

    def propose(self, queries: Floats, k: int, wanted: Bitmap, effort: int) -> Ids:
        """Return, for (q, dim) unit vectors, rows (q, k or more) among those wanted, -1 past the last."""
        allowed, more = self._count(wanted), {}
        count = min(k * self._recipe.refine, allowed)
        if allowed < len(wanted):
            bits = np.packbits(wanted, bitorder="little")
            more["sel"] = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        parameters = self._recipe.parameters(effort, count, **more)
        rows: Ids = self._index.search(queries, count, params=parameters)[1]
        return rows

    def _count(self, wanted: Bitmap) -> int:
        return len(wanted) - self._gone if wanted is self._live else int(np.count_nonzero(wanted))

    def _effort_for(self, share: float) -> int:
        """A filter hides hits, so more has to be looked at: as many times as was measured at a tenth."""
        return round(float(self.effort * (self.strict_effort / self.effort) ** -log10(share)))

    def contents(self) -> tuple[Ids, Floats]:
        ids, vectors = self._fresh.contents()
        if not len(ids) and self._live.all():
            return self._ids, self.vectors  # mapped, not copied
        return (
            np.concatenate([self._ids[self._live], ids]),
            np.concatenate([self.vectors[self._live], vectors]),
        )

    def first(self, count: int) -> Floats:
        built = self.vectors[np.flatnonzero(self._live)[:count]]
        return np.concatenate([built, self._fresh.first(count - len(built))])

    def save(self, stem: Path) -> Ids:
        assert not len(self._fresh), "only an index that has all built in is saved"
        write_faiss(self._index, stem)
        with stem.with_name(f"{stem.name}.vectors.npy").open("wb") as file:
            np.save(file, self.vectors)
        return np.where(self._live, self._ids, GONE_ID)

    def load(self, stem: Path, ids: Ids) -> None:
        vectors = np.load(stem.with_name(f"{stem.name}.vectors.npy"), mmap_mode="r")
        self._file = stem.with_name(f"{stem.name}.index")
        self._take(faiss.read_index(str(self._file), faiss.IO_FLAG_MMAP_IFC), vectors, ids)
