"""The language model is one, and the search writes what is likely and what the picture calls for."""

from __future__ import annotations

import numpy as np
import pytest

from engine.telling.grams import Grams
from engine.telling.sentences import Manner, Writer, as_text
from training.telling_grams import LEAST, count_runs

SAID = ["a dog runs on the grass", "a dog runs on the sand", "a cat sleeps on the grass"]
WORDS = sorted({word for text in SAID for word in text.split()})


@pytest.fixture
def grams() -> Grams:
    return Grams(count_runs([text.split() for text in SAID * 10], WORDS))


def numbers(text: str) -> list[int]:
    return [WORDS.index(word) for word in text.split()]


def test_chances_add_up_to_one_after_any_words(grams: Grams) -> None:
    for said in ("", "a", "a dog", "a dog runs", "grass grass", "the"):
        chances = grams.next(numbers(said))
        assert (chances > 0).all() and chances.sum() == pytest.approx(1, abs=0.05)  # chances are one byte


def test_what_was_said_goes_on_as_it_did(grams: Grams) -> None:
    after = grams.next(numbers("a dog"))
    assert WORDS[int(after[:-1].argmax())] == "runs" and after[WORDS.index("runs")] > 0.8
    assert int(grams.next(numbers("on the grass")).argmax()) == grams.end


def test_a_run_of_too_few_captions_is_not_kept() -> None:
    kept = count_runs([text.split() for text in SAID], WORDS)
    assert LEAST[4] > len(SAID) and len(kept["words4"]) == 0


def written(grams: Grams, wanted: dict[str, float], allowed: str | None = None) -> str:
    small = np.isin(WORDS, ["a", "the", "on"]).astype(np.float32)
    calls = np.array([wanted.get(word, 0.0) for word in WORDS], np.float32)
    words = None if allowed is None else np.maximum(small, np.isin(WORDS, allowed.split())).astype(np.float32)
    best = Writer(grams, small, Manner(shortest=4)).write(calls, words)[0]
    return " ".join(WORDS[word] for word in best.words)


def test_the_picture_decides_between_likely_sentences(grams: Grams) -> None:
    assert written(grams, {"cat": 4.0, "sleeps": 3.0}).startswith("a cat sleeps")
    assert written(grams, {"sand": 4.0, "dog": 3.0}) == "a dog runs on the sand"


def test_only_allowed_words_are_used(grams: Grams) -> None:
    assert "cat" not in written(grams, {"cat": 4.0}, allowed="dog runs grass")
    assert as_text(["a", "dog"]) == "A dog."
