"""What a gallery's size says, on searches made by hand, and what captions say beside pictures."""

from __future__ import annotations

import numpy as np
import pytest

from engine.encoders.color import ColorEncoder
from engine.fusion_reranker import surroundings
from engine.types import Encoded
from training.answers import fit_chances
from training.evidence import Asked, samples, summed
from training.judged import Judged
from training.worded import lexical


def test_how_much_a_logit_falls_is_found_again() -> None:
    rng = np.random.default_rng(0)
    items = np.repeat([20, 100, 1000], 4000)
    heights = rng.normal(0, 3, (len(items), 1))  # where the scores of one search are
    scores = -np.sort(-(heights + rng.normal(0, 2, (len(items), 12)))).astype(np.float32)
    around = np.array([surroundings(row, 0.0) for row in scores])
    logits = 0.8 * scores - 1 - 0.6 * np.log(items / 1000)[:, None] - (around @ [0.5, 0.2])[:, None]
    expected = {"slope": 0.8, "offset": -1.0, "crowd": 0.6, "rivals": 0.5, "level": 0.2}
    right = rng.random(scores.shape) < 1 / (1 + np.exp(-logits))
    nothing = np.zeros(len(items))
    found = Judged(items, nothing, right[:, 0], scores, right, right[:, 0])
    fitted = fit_chances(found)
    assert fitted.pop("usual") == pytest.approx(scores[:4000][~right[:4000]].mean(), abs=1e-3)
    assert fitted == pytest.approx(expected, abs=0.1)
    assert set(found.of_size(100).items) == {100} and len(found.of_size(100).lead) == 4000
    assert len(Judged.joined([found, found]).items) == 2 * len(items)


def test_words_score_the_captions_that_have_them() -> None:
    scores = lexical(["a red dog", "a blue cat", "the sea"], ["dog at the sea", "nothing here"])
    assert scores.shape == (2, 3)
    assert np.isfinite(scores).tolist() == [[True, False, True], [False, False, False]]


def asked() -> Asked:
    """Four colors, each asked for by two words that are it."""
    encoder = ColorEncoder()
    colors = ["red", "green", "blue", "yellow"]
    words = tuple(word for color in colors for word in (color, color))
    texts, pictures = encoder.encode_text(words), encoder.encode_text(colors)
    owner = np.repeat(np.arange(4), 2)
    alike = owner[:, None] == np.arange(4)
    cosines = texts.vectors @ pictures.vectors.T
    return Asked(Encoded(pictures.vectors), texts, words, np.arange(8), owner, cosines, alike)


def test_two_texts_become_one_query() -> None:
    both = summed(asked())
    assert len(both.cosines) == 4 and both.words[0] == "red + red"
    assert both.cosines.argmax(1).tolist() == [0, 1, 2, 3] == both.owner.tolist()


def test_what_is_said_takes_the_place_of_cosines() -> None:
    found = samples(
        asked(), (2,), 8, np.random.default_rng(0), lambda query, chosen: chosen.astype(np.float32)
    )
    assert set(found.evidence[:, 0]) <= {0.0, 1.0, 2.0, 3.0} and (found.evidence[:, 0] > 1).any()
