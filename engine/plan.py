"""How a filtered search is run, and why.

A filter is answered by the store as a bitmap over item ids; the index then either scores the allowed
items alone (pre-filter) or scans everything and skips the others (bitmap). Both are exact on a flat
index, so the choice is one of time only, and gathering single vectors soon costs more than skipping. An
approximate index finds less the more it has to skip, so there a strict filter is answered exactly.
"""

from __future__ import annotations

import numpy as np

from engine.index import EVERYTHING, FLAT_KINDS, Index, Planned
from engine.types import Bitmap, Plan

FLAT_GATHER_SHARE = 0.0025  # up to this share, scoring the allowed alone is faster (bench/filters.py)
GATHER_SHARE = 0.05


def choose(index: Index | None, bitmap: Bitmap | None) -> tuple[Plan, Planned]:
    """Choose how to search an index for the items that a bitmap names (`None`: all)."""
    held = len(index) if index is not None else 0
    if index is None or bitmap is None:
        return Plan("unfiltered", held, held), EVERYTHING
    rows = index.rows(bitmap)
    allowed = int(np.count_nonzero(rows))
    if not allowed:
        return Plan("empty", 0, held), Planned(rows, gather=True)
    share = FLAT_GATHER_SHARE if index.kind in FLAT_KINDS else GATHER_SHARE
    if allowed <= share * held:
        return Plan("pre-filter", allowed, held), Planned(rows, gather=True)
    return Plan("bitmap", allowed, held), Planned(rows)
