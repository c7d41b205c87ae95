"""Index: the protocol of nearest-neighbor search, and the one factory of its kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.errors import BadInput
from engine.types import Floats, Ids


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

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Return the k nearest of (q, dim) queries as scores and ids, (q, k) each, best first.

        Places past the end of the index hold -inf and -1.
        """
        ...

    def contents(self) -> tuple[Ids, Floats]:
        """Return every id and its unit vector, in the order in which `save` writes them."""
        ...

    def save(self, path: Path) -> None:
        """Write the vectors, in `contents` order, to one file."""
        ...

    def load(self, path: Path, ids: Ids) -> None:
        """Read what `save` wrote; `ids` name its rows."""
        ...


def unit(vectors: Floats, dim: int) -> Floats:
    """Check (n, dim) vectors and return them as contiguous float32 of length one."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise BadInput(f"vectors have shape {vectors.shape}, the index holds (n, {dim})")
    if not np.isfinite(vectors).all():
        raise BadInput("a vector has a value that is not finite (NaN or infinity)")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise BadInput("a vector is all zeros, so it has no direction")
    normalized: Floats = vectors / lengths
    return normalized


def _exact(dim: int) -> Index:
    from engine.index.exact import ExactIndex

    return ExactIndex(dim)


def _flat(dim: int) -> Index:
    from engine.index.flat import FlatIndex

    return FlatIndex(dim)


KINDS: dict[str, Callable[[int], Index]] = {"exact": _exact, "flat": _flat}


def make_index(kind: str, dim: int) -> Index:
    """Make an empty index of a kind: `exact` (NumPy) or `flat` (FAISS, on a GPU if there is one)."""
    if kind not in KINDS:
        raise BadInput(f"no index kind {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind](dim)
