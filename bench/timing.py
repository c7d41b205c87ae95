"""Several ways to do one thing, timed in turn, so that whatever else the machine does falls on each alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

WARM = 5  # runs that are not counted: pages are mapped in, statements compiled
Ways: TypeAlias = Mapping[str, Callable[[int], object]]  # by name, each given the number of the run


def medians(ways: Ways, runs: int) -> dict[str, float]:
    """Return the median milliseconds of the processor that each way takes over so many runs, A B C A B C …

    All threads count. With OMP_NUM_THREADS=1 and nothing to wait for that is the time on the clock of a
    machine that does nothing else.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(WARM + runs):
        for name, way in ways.items():
            start = time.process_time()
            way(run)
            taken[name].append(1000 * (time.process_time() - start))
    return {name: float(np.median(times[WARM:])) for name, times in taken.items()}
