"""What reranking may cost: as many candidates as a budget allows, and none where the first leads by far."""

from __future__ import annotations

import threading

from engine.rerank import Candidates
from engine.types import Budget

FIRST = 10  # candidates read while nothing is known of the pace
RECENT = 0.2  # the weight of the latest measurement in the running mean


class Pace:
    """The milliseconds that one candidate takes here, as a running mean of what it has taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cost: float | None = None

    def took(self, candidates: int, milliseconds: float) -> None:
        """Take in a measurement."""
        cost = milliseconds / candidates
        with self._lock:
            self._cost = cost if self._cost is None else (1 - RECENT) * self._cost + RECENT * cost

    def within(self, milliseconds: float) -> int:
        """Tell how many candidates fit into a time, as far as is known."""
        return FIRST if self._cost is None else int(milliseconds / self._cost)


def afforded(candidates: Candidates, budget: Budget, pace: Pace) -> tuple[Candidates | None, str | None]:
    """Take the best candidates that a budget allows, with a note if that is not all of them."""
    most = len(candidates)
    if budget.candidates is not None:
        most = min(most, budget.candidates)
    if budget.milliseconds is not None:
        most = min(most, pace.within(budget.milliseconds))
    if most == len(candidates):
        return candidates, None
    if not most:
        return None, f"nothing was reranked: {budget.milliseconds} ms are not enough for one candidate"
    return candidates.first(most), f"the budget let {most} of {len(candidates)} candidates be reranked"


def lead_of(candidates: Candidates) -> float:
    """Tell how far the first is ahead of the second, in cosine."""
    return float(candidates.recall[0] - candidates.recall[1]) if len(candidates) > 1 else 0.0
