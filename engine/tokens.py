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

SAVED = 256  # items written at a time
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
        return item_id in self._newer or bool(self._rows_of(np.array([item_id]))[0] >= 0)

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
        """Return tokens (n, T, D) and lengths (n,) in the order of `ids`; `KeyError` names one without."""
        rows = self._rows_of(ids)
        newer = {place: self._newer[i] for place, i in enumerate(ids.tolist()) if i in self._newer}
        lacking = [
            item_id for place, item_id in enumerate(ids.tolist()) if rows[place] < 0 and place not in newer
        ]
        if lacking:
            raise KeyError(lacking[0])
        if self._base is None:
            kept = next(iter(self._newer.values()))[0]
            tokens, lengths = np.empty((len(ids), *kept.shape), np.int8), np.empty(len(ids), np.int16)
        else:
            tokens, lengths = np.asarray(self._base)[rows], self._base_lengths[rows]
        for place, (own, length) in newer.items():
            tokens[place], lengths[place] = own, length
        return tokens, lengths

    def save(self, path: Path, lengths_path: Path, ids: Ids) -> None:
        """Write the tokens of `ids`, in that order, and their lengths to `.npy` files, if there are any."""
        held = self._rows_of(ids) >= 0
        held |= [item_id in self._newer for item_id in ids.tolist()]
        places = np.flatnonzero(held)
        if not len(places):
            return
        shape = self.read(ids[places[:1]])[0].shape[1:]
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.int8, shape=(len(ids), *shape))
        lengths = np.full(len(ids), ABSENT, dtype=np.int16)
        for start in range(0, len(places), SAVED):
            some = places[start : start + SAVED]
            out[some], lengths[some] = self.read(ids[some])
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

    def _rows_of(self, ids: Ids) -> Ids:
        """Return the row of the file that has each id, -1 where none has."""
        if not len(self._ids):
            return np.full(len(ids), -1)
        places = np.searchsorted(self._ids, ids).clip(max=len(self._ids) - 1)
        rows = np.where(self._ids[places] == ids, self._rows[places], -1)
        rows[self._base_lengths[rows] == ABSENT] = -1
        if self._gone:
            rows[[item_id in self._gone for item_id in ids.tolist()]] = -1
        return rows
