"""Approximate indexes: FAISS proposes rows, their own vectors decide.

What was built stays as it is, memory-mapped; what comes after goes to a flat index beside it, and what
goes is a tombstone, until an index is made that has both built in. The vectors themselves are mapped too, so
every score that leaves is an exact cosine, a strict filter can be answered exactly, and a rebuild needs no
other source.
"""

from __future__ import annotations

from functools import lru_cache
from math import log10
from pathlib import Path
from typing import Any

import faiss as faiss_library
import numpy as np

from engine.index import EVERYTHING, Planned, best, named, spread, unit
from engine.index.cells import Cells
from engine.index.flat import FlatIndex, write_faiss
from engine.index.recipes import RECIPES
from engine.types import Bitmap, Floats, Ids

faiss: Any = faiss_library  # its type stubs leave out half of what it has
NEAR = 20  # so many allowed items are expected among the nearest that are looked at, to trust a filter,
TRUST = 0.5  # and so much of that there must be (bench/filters.py)
GONE_ID = -1  # a tombstone, in the place of an item's id
GONE = 0.1  # an index is built anew where more than this share are tombstones


class ApproximateIndex:
    """A built FAISS index of one of the RECIPES, the vectors that are in it, and what came after."""

    def __init__(
        self, kind: str, dim: int, effort: int | None = None, strict_effort: int | None = None
    ) -> None:
        """Take the efforts the autopilot found enough: for all items, and for one in ten of them."""
        self.kind = kind
        self.dim = dim
        self.effort = effort or RECIPES[kind].efforts[0]
        self.strict_effort = strict_effort or 10 * self.effort
        self._recipe = RECIPES[kind]
        self._plain_parameters = lru_cache(maxsize=64)(self._recipe.parameters)  # of no filter
        self._index: Any = None
        self._file: Path | None = None  # where it is mapped from
        self.vectors: Floats = np.empty((0, dim), dtype=np.float32)  # of the rows built in, tombstones too
        self._ids: Ids = np.empty(0, dtype=np.int64)
        self._live = np.empty(0, dtype=bool)
        self._newest = -1  # the highest id built in
        self._gone = 0  # how many rows are not live: counting a million takes longer than much of a search
        self._cells: Cells | None = None  # galleries of before have none
        self._fresh = FlatIndex(dim)

    @classmethod
    def build(cls, kind: str, ids: Ids, vectors: Floats) -> ApproximateIndex:
        """Train and fill an index from n vectors, ordered by cells: what is read together lies together."""
        made = cls(kind, vectors.shape[1])
        vectors = unit(vectors, made.dim)
        cells = Cells.made(vectors)
        order = np.argsort(cells.rows, kind="stable")
        vectors, ids, cells = vectors[order], ids[order], Cells(cells.centers, cells.rows[order])
        made._take(made._recipe.made(vectors), vectors, ids, cells)
        return made

    def grown(self) -> ApproximateIndex | None:
        """Return an index that has what came since built in, and tombstones; none where that does not pay."""
        ids, vectors = self._fresh.contents()
        items = len(self._ids) + len(ids)
        if self._file is None or self._cells is None or self._gone > GONE * items:
            return None
        if not self._cells.suit(items):
            return None  # what came since lies where it came, and all cells are too large
        index = faiss.read_index(str(self._file))  # not mapped: FAISS ends the process that adds to a file
        index.add(vectors)
        cells = self._cells.grown(vectors)
        ids = np.concatenate([np.where(self._live, self._ids, GONE_ID), ids])
        made = ApproximateIndex(self.kind, self.dim)
        made._take(index, np.concatenate([self.vectors, vectors]), ids, cells)
        return made

    def _take(self, index: Any, vectors: Floats, ids: Ids, cells: Cells | None) -> None:
        self._index, self.vectors, self._ids, self._cells = index, vectors, ids, cells
        self._live, self._newest = ids != GONE_ID, int(ids.max(initial=-1))
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
        if ids.min(initial=self._newest + 1) > self._newest:
            return  # a look at a million ids takes longer than adding some new ones
        self._live &= ~np.isin(self._ids, ids)
        self._gone = len(self._ids) - int(np.count_nonzero(self._live))

    def rows(self, bitmap: Bitmap) -> Bitmap:
        return np.concatenate([self._live & named(self._ids, bitmap), self._fresh.rows(bitmap)])

    def search(self, queries: Floats, k: int, plan: Planned = EVERYTHING) -> tuple[Floats, Ids]:
        queries = unit(queries, self.dim)
        built = len(self._ids)
        scores, ids = self._built_in(queries, k, plan)
        if not len(self._fresh):
            return scores, ids
        fresh_plan = EVERYTHING if plan.rows is None else Planned(plan.rows[built:], plan.gather)
        fresh_scores, fresh_ids = self._fresh.search(queries, k, fresh_plan)
        return _ordered(np.hstack([scores, fresh_scores]), np.hstack([ids, fresh_ids]), k)

    def _built_in(self, queries: Floats, k: int, plan: Planned) -> tuple[Floats, Ids]:
        """Search what was built: (q, k) cosines and ids, best first, -inf and -1 past the last."""
        wanted = self._live if plan.rows is None else plan.rows[: len(self._ids)]
        rows = self._candidates(queries, k, wanted, plan)
        return _ordered(np.einsum("qd,qnd->qn", queries, self.vectors[rows]), self._ids[rows], k)

    def _candidates(self, queries: Floats, k: int, wanted: Bitmap, plan: Planned) -> Ids:
        """Propose rows (q, n) among those wanted, whose vectors decide: n is k or more, or all there are."""
        allowed = self._count(wanted)
        if plan.gather or not allowed:
            rows = np.full((len(queries), min(k, allowed)), -1)
        elif plan.rows is None:
            rows = self.propose(queries, k, wanted, self._effort_for(allowed / len(wanted)))
        else:
            rows = self._filtered(queries, k, wanted, allowed)
        short = (rows[:, -1:] < 0).any(axis=1)  # FAISS was not asked, or has not found as many as there are
        if short.any():
            self._fill(rows, queries, np.flatnonzero(short), wanted)
        return rows

    def _filtered(self, queries: Floats, k: int, wanted: Bitmap, allowed: int) -> Ids:
        """Propose rows (q, n) where a filter hides others, and perhaps all that is near."""
        share = allowed / len(wanted)
        near = self._shares_near(queries, wanted, share)
        trusted = near >= share * TRUST  # else what is wanted lies far off, where FAISS hardly looks
        rows = np.full((len(queries), self._count_for(k, allowed)), -1)
        if trusted.any():
            scarce = min(1.0, near[trusted].min() / share)  # then they lie on one side: look as much further
            effort = round(self._effort_for(share) / scarce**2)
            rows[trusted] = self.propose(queries[trusted], k, wanted, effort)
        if self._cells is not None and not trusted.all():
            self._fill(rows, queries, np.flatnonzero(~trusted), wanted, self._cells)
        return rows

    def _fill(
        self, rows: Ids, queries: Floats, places: Ids, wanted: Bitmap, cells: Cells | None = None
    ) -> None:
        """Fill in the best of all rows wanted, or of those in the cells nearest, for some of the queries."""
        every = np.flatnonzero(wanted)
        for place in places:
            some = every if cells is None else cells.nearest(queries[place], every)
            cosines = self._cosines(some, queries[place])
            rows[place] = best(cosines[None], some, rows.shape[1])[1]

    def _cosines(self, rows: Ids, query: Floats) -> Floats:
        """Score rows where they lie: copying them first takes twice as long, and memory by their number."""
        scores: Floats = np.empty(len(rows), dtype=np.float32)
        rows = np.ascontiguousarray(rows)
        pointers = map(faiss.swig_ptr, (scores, query, self.vectors, rows))
        faiss.fvec_inner_products_by_idx(*pointers, self.dim, 1, len(rows))
        return scores

    def _shares_near(self, queries: Floats, wanted: Bitmap, share: float) -> Floats:
        """Tell for each query how often its nearest are wanted."""
        most = min(round(NEAR / share), len(wanted))
        rows = self.propose(queries, most, self._live, self._recipe.efforts[0])  # about is enough
        found = rows >= 0
        return np.asarray((wanted[rows] & found).sum(axis=1) / found.sum(axis=1).clip(min=1))

    def propose(self, queries: Floats, k: int, wanted: Bitmap, effort: int) -> Ids:
        """Return, for (q, dim) unit vectors, rows (q, k or more) among those wanted, -1 past the last."""
        allowed, more = self._count(wanted), {}
        if allowed < len(wanted):
            bits = np.packbits(wanted, bitorder="little")
            more["sel"] = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        count = self._count_for(k, allowed)
        make = self._recipe.parameters if more else self._plain_parameters
        parameters = make(effort, count, **more)
        rows: Ids = self._index.search(queries, count, params=parameters)[1]
        return rows

    def _count_for(self, k: int, allowed: int) -> int:
        return min(k * self._recipe.refine, allowed)

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

    def sample(self, count: int) -> Floats:
        return self.vectors[spread(np.flatnonzero(self._live), count)]

    def save(self, stem: Path) -> Ids:
        assert not len(self._fresh), "only an index that has all built in is saved"
        write_faiss(self._index, stem)
        if self._cells is not None:
            self._cells.save(stem.with_name(f"{stem.name}.cells.npz"))
        with stem.with_name(f"{stem.name}.vectors.npy").open("wb") as file:
            np.save(file, self.vectors)
        return np.where(self._live, self._ids, GONE_ID)

    def load(self, stem: Path, ids: Ids) -> None:
        self._file, vectors, cells = (
            stem.with_name(f"{stem.name}.{suffix}") for suffix in ("index", "vectors.npy", "cells.npz")
        )
        index = faiss.read_index(str(self._file), faiss.IO_FLAG_MMAP_IFC)
        known = Cells.load(cells) if cells.exists() else None
        self._take(index, np.asarray(np.load(vectors, mmap_mode="r")), ids, known)


def _ordered(scores: Floats, ids: Ids, k: int) -> tuple[Floats, Ids]:
    """Order (q, n) scores, best first, and make them and their ids (q, k), with -inf and -1 past the last."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    places = np.arange(len(scores))[:, None]
    scores, ids = scores[places, order], ids[places, order]
    rest = ((0, 0), (0, k - order.shape[1]))
    if not rest[1][1]:
        return scores, ids
    return np.pad(scores, rest, constant_values=-np.inf), np.pad(ids, rest, constant_values=-1)
