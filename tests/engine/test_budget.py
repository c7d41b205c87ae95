"""How many candidates a budget lets be read, from the pace that was measured."""

from __future__ import annotations

import numpy as np
import pytest

from engine.budget import FIRST, Pace, afforded, lead_of
from engine.rerank import Candidates
from engine.types import Budget


def candidates(count: int) -> Candidates:
    recall = np.linspace(0.9, 0.1, count).astype(np.float32)
    tokens = np.arange(count, dtype=np.int8)[:, None, None]
    return Candidates("image", np.arange(count), recall, tokens, np.ones(count, dtype=np.int16))


def test_so_many_candidates_in_recall_order() -> None:
    chosen, note = afforded(candidates(100), Budget(candidates=7), Pace())
    assert chosen is not None and chosen.ids.tolist() == list(range(7))
    assert (
        chosen.tokens[:, 0, 0].tolist() == list(range(7)) and len(chosen.recall) == len(chosen.lengths) == 7
    )
    assert note == "the budget let 7 of 100 candidates be reranked"


def test_a_budget_that_is_no_limit() -> None:
    for budget in (Budget(), Budget(candidates=100), Budget(candidates=5000)):
        chosen, note = afforded(candidates(100), budget, Pace())
        assert chosen is not None and len(chosen) == 100 and note is None


def test_milliseconds_go_by_the_pace() -> None:
    pace = Pace()
    assert pace.within(1000) == FIRST  # the first time, to see how long one takes
    pace.took(10, 20)
    assert pace.within(30) == 15 and pace.within(1) == 0
    for _ in range(50):  # the machine has become slower
        pace.took(100, 400)
    assert pace.within(30) == 7
    chosen, _ = afforded(candidates(100), Budget(milliseconds=40, candidates=30), pace)
    assert chosen is not None and len(chosen) == pytest.approx(10, abs=1)
    chosen, note = afforded(candidates(100), Budget(milliseconds=1), pace)
    assert chosen is None and note == "nothing was reranked: 1 ms are not enough for one candidate"


def test_the_lead_of_the_first() -> None:
    assert lead_of(candidates(9)) == pytest.approx(0.1)
    assert lead_of(candidates(1)) == 0
