"""Which candidates stand behind which, on vectors made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from engine import grouping
from engine.grouping import Behind, grouped
from engine.types import Floats


def at(*degrees: float) -> Floats:
    turns = np.radians(np.array(degrees))
    return np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)


def places(groups: dict[int, list[Behind]]) -> dict[int, list[int]]:
    return {leader: [behind.place for behind in others] for leader, others in groups.items()}


@pytest.mark.parametrize("block", [1, 2, 512])
def test_the_best_stands_for_its_group(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "BLOCK", block)
    groups = grouped(at(0, 90, 3, 0, 88, 45), ["a", "b", "c", "a", "d", "e"], 0.99)
    assert places(groups) == {0: [2, 3], 1: [4], 5: []}
    look, same = groups[0]
    assert (look.exact, same.exact) == (False, True)
    assert look.likeness == pytest.approx(np.cos(np.radians(3)), abs=1e-6) and same.likeness == 1


def test_a_chain_of_small_steps_does_not_end_in_strangers() -> None:
    assert places(grouped(at(0, 6, 12, 18), list("abcd"), np.cos(np.radians(7)))) == {0: [1], 2: [3]}


def test_a_candidate_goes_to_the_leader_it_is_most_like() -> None:
    assert places(grouped(at(0, 10, 6), list("abc"), np.cos(np.radians(7)))) == {0: [], 1: [2]}


def test_a_copy_of_a_look_alike_is_no_copy_of_the_leader() -> None:
    (behind,) = grouped(at(0, 2, 2), ["a", "b", "b"], 0.99).values()
    assert [(b.place, b.exact) for b in behind] == [(1, False), (2, False)]


def test_a_threshold_over_one_leaves_copies_alone() -> None:
    assert places(grouped(at(0, 0, 0), ["a", "b", "a"], 2.0)) == {0: [2], 1: []}


def test_nothing_to_group() -> None:
    assert grouped(at(), [], 0.9) == {}
