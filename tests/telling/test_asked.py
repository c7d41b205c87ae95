"""Which kind a question is of, and what is no question."""

from __future__ import annotations

import pytest

from engine import BadInput
from engine.telling.asked import is_doing, kind_of, singular_of


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Is there a dog?", "yes/no"),
        ("aren\u2019t they running", "yes/no"),
        ("How many dogs are there?", "count"),
        ("What colour is the dog?", "color"),
        ("Where was this taken?", "where"),
        ("Who is it?", "what"),
        ("what is the man doing?", "what"),
    ],
)
def test_the_first_words_tell_the_kind(question: str, kind: str) -> None:
    assert kind_of(question)[0] == kind


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "no question in it"),
        (" ?!\n", "no question in it"),
        ("a dog", "is not a question"),
        ("is", "is not a question"),
        ("how are you", "is not a question"),
        ("is it red " * 10_000, "30,000 words, the limit is 24"),
    ],
)
def test_what_is_no_question_is_refused(question: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        kind_of(question)


def test_plurals_and_doings() -> None:
    assert [singular_of(word) for word in ("dogs", "men", "buses", "grass", "bus")] == [
        *("dog", "man", "bus", "grass", "bus"),
    ]
    assert [is_doing(word) for word in ("running", "building", "ring", "ran")] == [True, False, False, False]
