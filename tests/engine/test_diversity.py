"""Maximal marginal relevance, by hand and on a made-up gallery of ten things in ten pictures each."""

from __future__ import annotations

import numpy as np

from engine.diversity import diversified
from engine.index import unit

NOTHING = np.empty(0, dtype=np.int64)
THINGS = 10


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A hundred pictures of ten things, the nearest things first: their scores, vectors and things."""
    generator = np.random.default_rng(3)
    centers = generator.standard_normal((THINGS, 32))
    things = np.repeat(np.arange(THINGS), 10)
    vectors = unit((centers[things] + 0.2 * generator.standard_normal((100, 32))).astype(np.float32), 32)
    return np.linspace(9, 3, 100).astype(np.float32), vectors, things


def test_zero_is_the_order_by_score() -> None:
    scores, vectors, _ = made_up()
    assert diversified(scores, vectors, 0, NOTHING).tolist() == list(range(100))


def test_more_diversity_shows_more_things() -> None:
    scores, vectors, things = made_up()
    seen = [
        len(set(things[diversified(scores, vectors, share, NOTHING)[:10]].tolist()))
        for share in (0, 0.3, 0.6, 1)
    ]
    assert seen[0] == 1 and seen == sorted(seen) and seen[2] >= 8 and seen[3] == THINGS


def test_the_best_stays_first_and_all_are_there() -> None:
    scores, vectors, _ = made_up()
    order = diversified(scores, vectors, 0.7, NOTHING)
    assert order[0] == 0 and sorted(order.tolist()) == list(range(100))


def test_by_hand() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    scores = np.array([1, 0.9, 0], dtype=np.float32)
    # second turn: 0.7 * 0.9 - 0.3 * 0.8 = 0.39 against 0.7 * 0 - 0.3 * 0 = 0; at one half 0.05 against 0
    assert diversified(scores, vectors, 0.3, NOTHING).tolist() == [0, 1, 2]
    assert diversified(scores, vectors, 0.6, NOTHING).tolist() == [0, 2, 1]


def test_a_later_page_goes_on_where_the_first_left_off() -> None:
    scores, vectors, _ = made_up()
    whole = diversified(scores, vectors, 0.5, NOTHING)
    assert diversified(scores, vectors, 0.5, whole[:10]).tolist() == whole[10:].tolist()


def test_equal_scores_and_no_candidates() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert diversified(np.ones(3, dtype=np.float32), vectors, 0.5, NOTHING).tolist() == [0, 1, 2]
    assert diversified(np.empty(0, dtype=np.float32), vectors[:0], 0.5, NOTHING).tolist() == []
