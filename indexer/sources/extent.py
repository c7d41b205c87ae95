"""How many things there are in all: counted where that opens no file, else estimated from what has been read.

Files of one kind are taken to hold equally much a byte, so that none is read twice to count it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from indexer.sources.folder import count_pictures
from indexer.sources.found import Found

COUNTED = frozenset({"folder", "picture"})


@dataclass(slots=True)
class _Kind:
    """The files of one kind: their bytes, how many of these have been read, and what was found there."""

    size: int = 0
    before: int = 0  # bytes of the files that are done,
    here: float = 0  # and of the one in hand
    found: int = 0


class Extent:
    """What is known of the length of a run, which grows more exact while the sources are read."""

    def __init__(self) -> None:
        self._counted = 0
        self._kinds: dict[str, _Kind] = {}

    def expect(self, kind: str, name: str) -> None:
        """Take one more file or folder into account, before it is read."""
        if kind in COUNTED:
            self._counted += 1 if kind == "picture" else count_pictures([Path(name)])
        else:
            self._kinds.setdefault(kind, _Kind()).size += _size(name)

    @property
    def total(self) -> int | None:
        """How many things there are; `None` while of some kind of file nothing has been read."""
        total = self._counted
        for kind in self._kinds.values():
            read = kind.before + kind.here
            if not read:
                return None
            total += round(kind.found * max(1, kind.size / read))
        return total

    def part(self, kind: str, name: str) -> Part:
        """Return who follows the reading of one file or folder."""
        if kind in COUNTED:
            return Part(_Kind(), 0)
        return Part(self._kinds.setdefault(kind, _Kind()), _size(name))


class Part:
    """One file that is read."""

    def __init__(self, kind: _Kind, size: int) -> None:
        self._kind = kind
        self._size = size

    def reached(self, share: float) -> None:
        """Note how far it has been read."""
        self._kind.here = self._size * share

    def follow(self, found: Iterator[Found]) -> Iterator[Found]:
        """Pass on what is found in it, and count it."""
        try:
            for one in found:
                self._kind.found += 1
                yield one
        finally:
            self._kind.before += self._size
            self._kind.here = 0


def _size(name: str) -> int:
    """Return the bytes of a file, of two that a comma parts those of the first; folders weigh the same."""
    for path in (name, name.partition(",")[0]):
        with suppress(OSError):
            return max(1, os.stat(path).st_size)
    return 1
