"""The questions that captions answer."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from training.questions import Question, Rules

SCENES = {
    "dogs": "Two brown dogs are running on the beach.",
    "man": "A man is riding a bike on the street.",
    "woman": "A woman in a red hat sits on a bench.",
    "dog": "A dog is on the grass.",
}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules([[text] * 5 for text in SCENES.values() for _ in range(20)])


def asked(rules: Rules, *captions: str) -> dict[str, Question]:
    return {q.text: q for q in rules.ask(7, captions, np.random.default_rng(0))}


def test_one_caption_answers_many_kinds(rules: Rules) -> None:
    found = asked(rules, *[SCENES["dogs"]] * 5)
    assert {q.kind for q in found.values()} >= {"yes/no", "count", "where", "what"}
    assert found["how many dogs are there?"].answers == ("two",)
    assert found["where was this picture taken?"].answers == ("beach",)
    assert found["what is the dog doing?"].answers == ("running",)
    assert found["what animal is in the picture?"].answers == ("dog",)
    assert found["is there a dog in the picture?"].answers == ("yes",)


def test_what_is_ridden_and_what_color(rules: Rules) -> None:
    assert asked(rules, SCENES["man"])["what is the man riding?"].answers == ("bike",)
    assert asked(rules, SCENES["woman"])["what color is the hat?"].answers == ("red",)


def test_captions_that_disagree_ask_nothing(rules: Rules) -> None:
    found = asked(rules, "A man in a red hat.", "A man in a blue hat.", "Three dogs.", "Two dogs.")
    assert "what color is the hat?" not in found and "how many dogs are there?" not in found


def test_yes_and_no_are_as_frequent_and_no_is_not_in_the_captions(rules: Rules) -> None:
    found = [q for q in asked(rules, *[SCENES["man"]] * 5).values() if q.kind == "yes/no"]
    no = [q.text.split()[3] for q in found if q.answers == ("no",)]
    assert len(found) == 2 * len(no) > 0
    assert not any(word in SCENES["man"] for word in no)


ASK = """
import numpy as np
from tests.training.test_questions import SCENES
from training.questions import Rules
rules, rng = Rules([[text] * 5 for text in SCENES.values() for _ in range(20)]), np.random.default_rng(0)
print([question for text in SCENES.values() for question in rules.ask(0, [text] * 5, rng)])
"""


def test_the_questions_hang_on_the_seed_alone() -> None:
    first, second = (
        subprocess.run(
            [sys.executable, "-c", ASK],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    )
    assert "yes/no" in first and first == second
