"""The token store: what the reranker reads, by item id.

Most tokens lie in one memory-mapped `.npy` file of shape (n, T, D) int8; those newer than the file
are held in memory until the next save. It knows nothing of models or of SQL.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from engine.types import Ids, Tokens

ABSENT = -1  # the length, in the file, of an item without tokens
Lengths: TypeAlias = npt.NDArray[np.int16]


class TokenStore:
    """Tokens (T, D) int8 and their count, for every id that has them."""

    def __init__(self) -> None:
        self._base: Tokens | None = None
        self._base_lengths: Lengths = np.empty(0, dtype=np.int16)
        self._ids: Ids = np.empty(0, dtype=np.int64)  # of the file, ascending,
        self._rows: Ids = np.empty(
            0, dtype=np.int64
        )  # and where it has them: arrays, for they may be millions
        self._gone: set[int] = set()
        self._newer: dict[int, tuple[Tokens, int]] = {}

    def __contains__(self, item_id: int) -> bool:
        return item_id in self._newer or self._row(item_id) is not None

    def put(self, ids: Ids, tokens: Tokens, lengths: Lengths) -> None:
        """Keep (n, T, D) tokens under n ids, in place of what was there."""
        for item_id, item_tokens, length in zip(ids.tolist(), tokens, lengths.tolist(), strict=True):
            self._newer[item_id] = (item_tokens, length)

    def remove(self, ids: Ids) -> None:
        """Forget these ids."""
        for item_id in ids.tolist():
            self._newer.pop(item_id, None)
            self._gone.add(item_id)

    def read(self, ids: Ids) -> tuple[Tokens, Lengths]:
        """Return tokens (n, T, D) and lengths (n,) in the order of `ids`, each of which is there."""
        found = [self._one(item_id) for item_id in ids.tolist()]
        return (
            np.stack([tokens for tokens, _ in found]),
            np.array([length for _, length in found], dtype=np.int16),
        )

    def save(self, path: Path, lengths_path: Path, ids: Ids) -> None:
        """Write the tokens of `ids`, in that order, and their lengths to `.npy` files, if there are any."""
        first = next((item_id for item_id in ids.tolist() if item_id in self), None)
        if first is None:
            return
        shape = self._one(first)[0].shape
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.int8, shape=(len(ids), *shape))
        lengths = np.full(len(ids), ABSENT, dtype=np.int16)
        for row, item_id in enumerate(ids.tolist()):
            if item_id in self:
                out[row], lengths[row] = self._one(item_id)
        out.flush()
        with lengths_path.open("wb") as file:
            np.save(file, lengths)

    def load(self, path: Path, lengths_path: Path, ids: Ids) -> None:
        """Map what `save` wrote; `ids` name its rows."""
        self._base = np.load(path, mmap_mode="r")
        self._base_lengths = np.load(lengths_path)
        self._rows = np.argsort(ids, kind="stable")
        self._ids = ids[self._rows]
        self._gone, self._newer = set(), {}

    def _one(self, item_id: int) -> tuple[Tokens, int]:
        if item_id in self._newer:
            return self._newer[item_id]
        row = self._row(item_id)
        if self._base is None or row is None:
            raise KeyError(item_id)
        return self._base[row], int(self._base_lengths[row])

    def _row(self, item_id: int) -> int | None:
        place = int(np.searchsorted(self._ids, item_id))
        there = place < len(self._ids) and self._ids[place] == item_id and item_id not in self._gone
        if not there or self._base_lengths[self._rows[place]] == ABSENT:
            return None
        return int(self._rows[place])
