"""Index: the protocol of nearest-neighbor search, and the one factory of its kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.errors import BadInput
from engine.types import Bitmap, Floats, Ids

AUTO = "auto"
TARGET = 0.99  # the recall@10 that is to be reached where nothing else is asked for
APPROXIMATE = ("hnsw", "ivf", "ivf-sq8", "ivf-pq")
UNIT_ERROR = 1e-6  # what float32 leaves of a length of one
PROBED = 300  # queries that the autopilot measures recall on


@dataclass(frozen=True, slots=True)
class Aim:
    """What a gallery's index is to be: of a kind, `auto` for the one that suits; `BadInput` for no such aim.

    The autopilot reaches a recall@10 of `recall` (by default what the gallery was told last, at first 0.99)
    with an index of at most `memory` bytes (by default a quarter of what this process may have).
    """

    kind: str = AUTO
    recall: float | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if self.recall is not None and not 0 < self.recall <= 1:
            raise BadInput(f"a recall of {self.recall:g} cannot be reached; ask for more than 0, at most 1")
        if self.memory is not None and self.memory < 1:
            raise BadInput(f"an index cannot be held in {self.memory} bytes; give it more than 0")


@dataclass(frozen=True, slots=True)
class Choice:
    """The autopilot's choice for so many items: why, how hard it looks, and the recall@10 it measured.

    `strict_effort` and `strict_recall` are those of a search among one in ten of the items.
    """

    kind: str
    reason: str
    built_for: int
    effort: int | None = None
    recall: float | None = None
    strict_effort: int | None = None
    strict_recall: float | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """Which rows a search may return (see `Index.rows`), and whether to score just those.

    Or, where planning had to search, what it has `found`: scores and ids (n,), best first.
    """

    rows: Bitmap | None = None
    gather: bool = False
    found: tuple[Floats, Ids] | None = None


EVERYTHING = Planned()


class Index(Protocol):
    """Vectors by id, searched by cosine similarity (higher is nearer).

    Vectors and queries may have any length but zero; ids are 64-bit integers from the store.
    """

    kind: str
    dim: int

    def __len__(self) -> int: ...

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add (n, dim) vectors under n ids; an id that is there already is replaced."""
        ...

    def remove(self, ids: Ids) -> None:
        """Forget these ids; an id that is not there is none of its concern."""
        ...

    def search(self, queries: Floats, k: int, plan: Planned = EVERYTHING) -> tuple[Floats, Ids]:
        """Return the k nearest of (q, dim) queries as scores and ids, (q, k) each, best first.

        Of a filtered search only allowed ids come back, all of them if they are no more than k.
        Places past the end hold -inf and -1.
        """
        ...

    def rows(self, bitmap: Bitmap) -> Bitmap:
        """Tell for each row of the index whether it is there and a bitmap over ids names it."""
        ...

    def contents(self) -> tuple[Ids, Floats]:
        """Return every id and its unit vector."""
        ...

    def sample(self, count: int) -> Floats:
        """Return the unit vectors of so many rows, from all over it, or of all where there are fewer."""
        ...

    def save(self, stem: Path) -> Ids:
        """Write files whose names begin with `stem`; return the id of each row they hold."""
        ...

    def load(self, stem: Path, ids: Ids) -> None:
        """Read what `save` wrote; `ids` name its rows."""
        ...


def unit(vectors: Floats, dim: int) -> Floats:
    """Check (n, dim) vectors and return them as contiguous float32 of length one, uncopied if they are so."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise BadInput(f"vectors have shape {vectors.shape}, the index holds (n, {dim})")
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    if (np.abs(lengths - 1) < UNIT_ERROR).all():
        return vectors  # a million of them are 2 GB
    if not np.isfinite(lengths).all():
        raise BadInput("a vector has a value that is not finite (NaN or infinity)")
    if not lengths.all():
        raise BadInput("a vector is all zeros, so it has no direction")
    normalized: Floats = vectors / lengths[:, None]
    return normalized


def named(ids: Ids, bitmap: Bitmap) -> Bitmap:
    """Tell for each id (n,) whether a bitmap names it; an id past its end is not named."""
    if not len(bitmap):
        return np.zeros(len(ids), dtype=bool)
    found: Bitmap = np.take(bitmap, ids, mode="clip")
    return found & (ids < len(bitmap)) if bitmap[-1] else found


def bitmap_of(ids: Ids) -> Bitmap:
    """Make the bitmap that names these ids."""
    bitmap = np.zeros(int(ids.max(initial=-1)) + 1, dtype=bool)
    bitmap[ids] = True
    return bitmap


def spread(rows: Ids, count: int) -> Ids:
    """Choose so many rows at even distances, all where there are fewer."""
    return rows if len(rows) <= count else rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]


def best(similarities: Floats, ids: Ids, k: int) -> tuple[Floats, Ids]:
    """Order (q, n) similarities of n ids and return the first k, padded with -inf and -1."""
    found = min(k, len(ids))
    scores = np.full((len(similarities), k), -np.inf, dtype=np.float32)
    best_ids = np.full((len(similarities), k), -1, dtype=np.int64)
    for place, row in enumerate(similarities if found else ()):
        least = np.partition(row, len(row) - found)[len(row) - found]
        rows = np.flatnonzero(row >= least)  # more than are wanted only where several score the least
        rows = rows[np.argsort(-row[rows], kind="stable")][:found]
        scores[place, :found], best_ids[place, :found] = row[rows], ids[rows]
    return scores, best_ids


def _exact(dim: int) -> Index:
    from engine.index.exact import ExactIndex

    return ExactIndex(dim)


def _flat(dim: int) -> Index:
    from engine.index.flat import FlatIndex

    return FlatIndex(dim)


FLAT_KINDS: dict[str, Callable[[int], Index]] = {"exact": _exact, "flat": _flat}


def check_kind(kind: str) -> None:
    """Raise `BadInput` for a kind of index that there is not."""
    known = (AUTO, *FLAT_KINDS, *APPROXIMATE)
    if kind not in known:
        raise BadInput(f"no index kind {kind!r}; there are {', '.join(known)}")


def make_index(kind: str, dim: int, choice: Choice | None = None) -> Index:
    """Make an empty index: `exact` (NumPy), `flat` (FAISS, on a GPU if there is one), or one to be loaded.

    One to be loaded looks as hard as its `choice` says.
    """
    check_kind(kind)
    if kind in FLAT_KINDS:
        return FLAT_KINDS[kind](dim)
    from engine.index.approximate import ApproximateIndex

    return ApproximateIndex(kind, dim, *((choice.effort, choice.strict_effort) if choice else ()))
