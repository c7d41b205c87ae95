"""Options of a search: what cannot be is said at once, with the value, the limit and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import BadInput
from engine.options import Options
from engine.types import Budget


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k": 0}, "k is 0; ask for 1 to 10,000 hits"),
        ({"k": 10_001}, "k is 10001"),
        ({"diversity": 1.5}, "diversity is 1.5; it goes from 0"),
        ({"diversity": float("nan")}, "diversity is nan"),
        ({"precision": 0.0}, "precision is 0.0"),
        ({"precision": 1.0}, "precision is 1.0"),
        ({"page": ""}, "the page is empty"),
        ({"rerank": Budget(milliseconds=0)}, "0 ms reranks nothing"),
        ({"rerank": Budget(candidates=0)}, "0 candidates reranks nothing"),
        ({"signals": {"lexcal": 1}}, "no signal 'lexcal'; there is lexical"),
        ({"signals": {"smell": 1}}, "no signal 'smell'; there is visual, caption, lexical, ocr"),
        ({"signals": {"visual": -1}}, "visual has the weight -1"),
        ({"signals": {"visual": float("inf")}}, "visual has the weight inf"),
        ({"signals": {"visual": 0}}, "no signal has a weight"),
        ({"signals": {}}, "no signal has a weight"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Options(**wrong)


def test_what_can_be_is_taken() -> None:
    Options()
    Options(k=10_000, diversity=1, precision=0.5, page="x", rerank=Budget(), signals={"visual": 0, "ocr": 2})
