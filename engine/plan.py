"""How a filtered search is run, and why.

Before a filter is answered, a sample of the items tells about how many it allows. One that allows most
items of a large gallery need not be answered for all of them: more hits are asked for than are wanted, and
each is checked (over-fetch). Else the store answers it as a bitmap over item ids, and the index either
scores the allowed items alone (pre-filter) or scans everything and skips the others (bitmap). All are exact
on a flat index, so the choice is one of time only, and gathering single vectors soon costs more than
skipping. An approximate index finds less the more it has to skip, so there a strict filter is answered
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.filters import Filter, parse
from engine.generation import Generation, View
from engine.index import EVERYTHING, FLAT_KINDS, Index, Planned, bitmap_of, named
from engine.store import Store
from engine.types import Bitmap, Floats, Ids, Plan

FLAT_GATHER_SHARE = 0.0025  # up to this share, scoring the allowed alone is faster (bench/filters.py)
GATHER_SHARE = 0.05
SAMPLE = 500  # items asked about to estimate a share
OVER_FETCH_SHARE = 0.5  # from this estimated share on, checking hits is less work than a bitmap,
OVER_FETCH_LEAST = 20_000  # in a gallery of more items than this
MARGIN, MORE = 1.25, 100  # so many times the hits that the estimate calls for, and so many more


def searched(plan: Plan) -> int:
    """Count the items searched; where a filter need not be counted they are at any rate many.

    One that was counted to be explained is of as many, so that an explanation changes no probability.
    """
    return plan.held if plan.allowed is None or plan.name == "over-fetch" else plan.allowed


def choose(index: Index | None, bitmap: Bitmap | None, rows: Bitmap | None = None) -> tuple[Plan, Planned]:
    """Choose how to search an index for what a bitmap (`None`: all) names; `rows` are its, where known."""
    held = len(index) if index is not None else 0
    if index is None or bitmap is None:
        return Plan("unfiltered", held, held, reason="there is no filter"), EVERYTHING
    rows = index.rows(bitmap) if rows is None else rows
    allowed = int(np.count_nonzero(rows))
    if not allowed:
        return Plan("empty", 0, held, reason="no item is allowed"), Planned(rows, gather=True)
    limit = FLAT_GATHER_SHARE if index.kind in FLAT_KINDS else GATHER_SHARE
    share = f"{allowed / held:.2%} of the items are allowed"
    if allowed <= limit * held:
        reason = f"{share}, at most {limit:.2%}: scoring them alone is faster, and exact"
        return Plan("pre-filter", allowed, held, reason=reason), Planned(rows, gather=True)
    reason = f"{share}, over {limit:.2%}: skipping the others is faster"
    return Plan("bitmap", allowed, held, reason=reason), Planned(rows)


@dataclass(frozen=True, slots=True)
class Asked:
    """A filtered search: the query (1, dim), how many hits, the filter, and the highest id allowed.

    With `counted`, what the filter allows is counted even where the search need not know.
    """

    vector: Floats
    most: int
    filter: str
    newest: int
    counted: bool = False


def plan_filtered(
    asked: Asked, view: View | None, generation: Generation, store: Store
) -> tuple[Plan, Planned]:
    """Estimate what a filter allows, and choose how to search a view's index under it."""
    index = view.index if view else None
    held = len(index) if index is not None else 0
    tree = parse(asked.filter)
    if asked.filter not in generation.shares:
        generation.shares[asked.filter] = estimate(tree, generation.newest, store)
    share = generation.shares[asked.filter]
    if index is not None and asked.filter not in generation.bitmaps and share >= OVER_FETCH_SHARE:
        fetched = round(MARGIN * asked.most / share) + MORE
        if held > OVER_FETCH_LEAST and 2 * fetched < held:
            found = _over_fetch(asked, index, fetched, tree, store)
            if len(found[1]) >= asked.most:
                reason = (
                    f"{len(found[1]):,} of {fetched:,} hits are allowed: no need to ask about the other items"
                )
                allowed = _count(asked, index, tree, store) if asked.counted else None
                return Plan("over-fetch", allowed, held, round(share * held), reason), Planned(found=found)
    bitmap = generation.bitmap(asked.filter, store)
    if view is None or asked.newest < generation.newest:
        plan, planned = choose(index, bitmap[: asked.newest + 1])
    else:
        plan, planned = choose(index, bitmap, view.named(asked.filter, bitmap))
    return replace(plan, estimated=round(share * held)), planned


def estimate(tree: Filter, newest: int, store: Store) -> float:
    """Return about which share of the items a filter allows, from a sample of ids up to the newest."""
    generator = np.random.default_rng(0)
    some = np.unique(generator.integers(1, newest + 1, SAMPLE)) if newest > SAMPLE else np.arange(newest) + 1
    sample = some.tolist()
    there = store.count_among(sample)
    return len(store.matching_among(tree, sample)) / there if there else 0.0


def _over_fetch(asked: Asked, index: Index, fetched: int, tree: Filter, store: Store) -> tuple[Floats, Ids]:
    """Return which of the nearest of all items a filter allows, with their scores, best first."""
    (scores,), (ids,) = index.search(asked.vector, fetched)
    some = (ids >= 0) & (ids <= asked.newest)
    kept = np.isin(ids, store.matching_among(tree, ids[some].tolist()))
    return scores[kept], ids[kept]


def _count(asked: Asked, index: Index, tree: Filter, store: Store) -> int:
    """Count what a filter allows, and keep no bitmap: the next search is to be planned as this one was."""
    ids = store.matching(tree)
    return int(np.count_nonzero(index.rows(bitmap_of(ids[ids <= asked.newest]))))


def narrowed(bitmap: Bitmap | None, ids: Ids) -> Bitmap:
    """Return which of these ids (ascending) a bitmap names too (`None`: all of them)."""
    return bitmap_of(ids if bitmap is None else ids[named(ids, bitmap)])
