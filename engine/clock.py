"""Laps of one search."""

from __future__ import annotations

import time


class Clock:
    """Times the stages of a search, in milliseconds."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """End a stage; the next one begins."""
        now = time.perf_counter()
        self._laps[stage] = (now - self._last) * 1000
        self._last = now

    def milliseconds(self) -> dict[str, float]:
        """Return the time of each stage, and of all together."""
        return {**self._laps, "total": (self._last - self._start) * 1000}
