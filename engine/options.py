"""What a caller may ask of one search beside the query itself, packed and checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

from engine.errors import BadInput
from engine.types import Budget, Signal

MAX_K = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `SearchEngine.search`; `BadInput` for one that cannot be.

    `k` hits of those that `filter` names; `rerank` them, or do so within a budget, and `explain` each.
    `group` puts near-duplicates behind one hit, `diversity` (0 to 1) prefers hits unlike those above,
    `page` is a cursor from `Result.next_page`, `precision` (0 to 1) cuts the hits off where fewer would
    be right. `signals` weighs the signals, each relative to what was learned; one not named is not asked.
    """

    k: int = 10
    filter: str | None = None
    rerank: bool | Budget = True
    explain: bool = False
    group: bool = False
    diversity: float = 0.0
    page: str | None = None
    precision: float | None = None
    signals: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise BadInput(f"k is {self.k}; ask for 1 to {MAX_K:,} hits")
        if not 0 <= self.diversity <= 1:
            raise BadInput(f"diversity is {self.diversity}; it goes from 0 (off) to 1 (all hits unlike)")
        if self.precision is not None and not 0 < self.precision < 1:
            raise BadInput(f"precision is {self.precision}; ask for a share of right hits between 0 and 1")
        if self.page is not None and not self.page:
            raise BadInput("the page is empty; give the next_page of a result, or none for the first page")
        if isinstance(self.rerank, Budget):
            _check_budget(self.rerank)
        if self.signals is not None:
            _check_signals(self.signals)

    @property
    def paged(self) -> tuple[object, ...]:
        """What the pages of one search have in common: all but `k`, `explain` and `page`."""
        return self.filter, self.rerank, self.group, self.diversity, self.precision, self.signals


def _check_budget(budget: Budget) -> None:
    if budget.milliseconds is not None and not budget.milliseconds > 0:
        raise BadInput(f"a budget of {budget.milliseconds} ms reranks nothing; give more, or rerank=False")
    if budget.candidates is not None and budget.candidates < 1:
        raise BadInput(f"a budget of {budget.candidates} candidates reranks nothing; say rerank=False")


def _check_signals(signals: Mapping[str, float]) -> None:
    known = [signal.value for signal in Signal]
    for name, weight in signals.items():
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5) or known
            raise BadInput(f"there is no signal {name!r}; there is {', '.join(near)}")
        if not (isfinite(weight) and weight >= 0):
            raise BadInput(f"the signal {name} has the weight {weight}; give it 0 (not asked) or more")
    if not any(signals.values()):
        raise BadInput(f"no signal has a weight; give one to at least one of {', '.join(known)}")
