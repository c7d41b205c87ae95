"""How a filtered search is run, and why.

A filter is answered by the store as a bitmap over item ids; the index then either scores the allowed
items alone (pre-filter) or scans everything and skips the others (bitmap). Both are exact on a flat
index, so the choice is one of time only: gathering single vectors costs more than scanning past them
once a share of them is wanted.
"""

from __future__ import annotations

from engine.index import EVERYTHING, Index, Planned
from engine.types import Bitmap, Plan

GATHER_SHARE = 0.05  # up to this share of the items, scoring them alone is faster (bench/filters.py)


def choose(index: Index | None, bitmap: Bitmap | None) -> tuple[Plan, Planned]:
    """Choose how to search an index for the items that a bitmap names (`None`: all)."""
    held = len(index) if index is not None else 0
    if index is None or bitmap is None:
        return Plan("unfiltered", held, held), EVERYTHING
    allowed = index.allowed(bitmap)
    if not allowed:
        return Plan("empty", 0, held), Planned(bitmap, gather=True)
    if allowed <= GATHER_SHARE * held:
        return Plan("pre-filter", allowed, held), Planned(bitmap, gather=True)
    return Plan("bitmap", allowed, held), Planned(bitmap)
