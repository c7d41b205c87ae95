"""From an order of candidates to one page of it: copies behind their best, unlike things first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from engine.diversity import diversified
from engine.grouping import Behind, grouped
from engine.options import Options
from engine.types import Floats, Ids

DIVERSE_DEPTH = 100  # how many of the best candidates are put into another order
GROUP_DEPTH = 1000  # how many are looked at, at least, to find `k` that differ; or so many times `k`:
GROUP_FACTOR = 10
Look: TypeAlias = tuple[str, Floats]  # an item's digest and vector (dim,)
Looks: TypeAlias = Callable[[Iterable[int]], Mapping[int, Look]]  # by id; those that are gone are left out


@dataclass(frozen=True, slots=True)
class Shaped:
    """Places, in an order of candidates, of the hits of one page, and of what stands behind each.

    `more` says that other pages follow.
    """

    places: Ids
    more: bool
    behind: Mapping[int, Sequence[Behind]] = field(default_factory=dict)  # by the place of the hit

    def ids(self, ids: Ids) -> frozenset[int]:
        """Name all the items of this page: those in places of the order `ids`, and those behind them."""
        behind = [one.place for place in self.places.tolist() for one in self.behind.get(place, ())]
        return frozenset(ids[[*self.places.tolist(), *behind]].tolist())


def depth(options: Options, shown: int, least: int) -> int:
    """Tell how many candidates a page needs: `least` at least, and one more to know whether others follow."""
    wanted = options.k + shown + 1
    return max(least, GROUP_DEPTH, GROUP_FACTOR * wanted) if options.group else max(least, wanted)


def shape(
    ids: Ids, scores: Floats, options: Options, *, shown: frozenset[int], look_alike: float, looks: Looks
) -> Shaped:
    """Choose, of n candidates (best first) with their scores, those of the page after `shown`."""
    is_shown = np.isin(ids, list(shown)) if shown else np.zeros(len(ids), dtype=bool)
    places = np.flatnonzero(~is_shown)
    if not (options.group or options.diversity):
        return Shaped(places[: options.k], len(places) > options.k)
    known = looks(ids.tolist() if options.group else ids[:DIVERSE_DEPTH].tolist())
    behind: dict[int, list[Behind]] = {}
    if options.group:
        behind = _grouped(ids, places, known, look_alike)
        places = np.fromiter(behind, dtype=np.int64)
    if options.diversity:
        has_look = np.isin(ids[:DIVERSE_DEPTH], list(known))
        taken = np.flatnonzero(is_shown[:DIVERSE_DEPTH] & has_look)
        best, rest = np.split(places, [np.searchsorted(places, DIVERSE_DEPTH)])
        pool = np.concatenate([taken, best[has_look[best]]])
        order = diversified(
            scores[pool], _vectors(ids[pool], known), options.diversity, np.arange(len(taken))
        )
        places = np.concatenate([pool[order], rest])
    return Shaped(places[: options.k], len(places) > options.k, behind)


def _grouped(ids: Ids, places: Ids, known: Mapping[int, Look], look_alike: float) -> dict[int, list[Behind]]:
    """Group the candidates at some places; each group by its leader's place in the whole order."""
    places = places[np.isin(ids[places], list(known))]  # others are gone since recall
    digests = [known[item_id][0] for item_id in ids[places].tolist()]
    groups = grouped(_vectors(ids[places], known), digests, look_alike)
    return {
        int(places[leader]): [replace(one, place=int(places[one.place])) for one in others]
        for leader, others in groups.items()
    }


def _vectors(ids: Ids, known: Mapping[int, Look]) -> Floats:
    return (
        np.stack([known[item_id][1] for item_id in ids.tolist()])
        if len(ids)
        else np.empty((0, 1), np.float32)
    )
