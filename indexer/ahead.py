"""Decoding ahead of the model: in threads, in the order of the source, bounded in pictures and in pixels."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Condition

from indexer.decode import Decoded, decode
from indexer.sources.found import Found

AHEAD = 64  # things decoded, or being decoded, that have not been taken yet,
AHEAD_PIXELS = 96_000_000  # of so many pixels in all
WORKERS = min(8, (os.cpu_count() or 1) + 1)


class Ahead:
    """Things that are being decoded; the first one always has room, or it would never be taken."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: deque[Future[Decoded]] = deque()
        self._room = Condition()
        self._first = 0  # the number of the first that has not been taken
        self._pixels = 0
        self._is_canceled = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Say whether one has to be taken first."""
        return len(self._waiting) >= AHEAD

    def push(self, found: Found) -> None:
        """Start on one more."""
        number = self._first + len(self._waiting)
        self._waiting.append(self._pool.submit(decode, found, partial(self._wait, number)))

    def pop(self) -> Decoded:
        """Wait for the first one."""
        decoded = self._waiting.popleft().result()
        with self._room:
            self._first += 1
            self._pixels -= decoded.pixels
            self._room.notify_all()
        return decoded

    def cancel(self) -> None:
        """Give up what has not been taken."""
        for future in self._waiting:
            future.cancel()
        with self._room:
            self._is_canceled = True
            self._room.notify_all()

    def _wait(self, number: int, pixels: int) -> None:
        """Wait, in a thread, until there is room for the pixels of one thing, and take it."""

        def has_room() -> bool:
            return number == self._first or self._pixels + pixels <= AHEAD_PIXELS or self._is_canceled

        with self._room:
            self._room.wait_for(has_room)
            self._pixels += pixels
