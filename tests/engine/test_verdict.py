"""What a search says of its own answer, through the model that is calibrated and one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import BadInput, Item, Part, Query, SearchEngine
from engine.types import Budget

SAMPLE = Path(__file__).parent.parent.parent / "data" / "sample"
THERE = ("a temple by the water with trees", "two cats", "food on a plate")
NOT_THERE = ("a man on a motorcycle", "people on a beach", "a train")


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    """The sample photographs."""
    with SearchEngine.open(tmp_path_factory.mktemp("mini") / "gallery") as opened:
        opened.add(sorted(SAMPLE.glob("*.*g")))
        yield opened


@pytest.mark.mini
def test_a_query_that_matches_nothing_is_told_so(mini: SearchEngine) -> None:
    for words in THERE:
        result = mini.search(words, k=3)
        assert result.no_match is False and len(result.hits) == 3 and result.misses == ()
    told = [result for words in NOT_THERE if (result := mini.search(words, k=3)).no_match]
    assert len(told) >= 2
    for result in told:
        assert result.hits == () and result.next_page is None
        assert [hit.rank for hit in result.misses] == [1, 2, 3]


@pytest.mark.mini
def test_what_was_not_calibrated_is_not_judged(mini: SearchEngine) -> None:
    picture = Part(picture=SAMPLE / "cat.png")
    two = Query((Part(text=NOT_THERE[0]), Part(text=NOT_THERE[1])))
    few = mini.search(NOT_THERE[0], filter="width > 100000")
    for result in (mini.search(Query((picture,))), mini.search(two), few):
        assert result.no_match is None and result.misses == ()


@pytest.mark.mini
def test_captions_are_judged_beside_pictures(tmp_path: Path) -> None:
    photos = sorted(SAMPLE.glob("*.*g"))
    with SearchEngine.open(tmp_path / "captioned") as opened:
        opened.add(Item(p.name, text=f"a {p.stem.replace('-', ' ')}", picture=p) for p in photos)
        assert opened.search("a cat and a mug").no_match is False
        told = [opened.search(words).no_match for words in NOT_THERE]
        assert None not in told and sum(bool(one) for one in told) >= 2
        weighed = opened.search(NOT_THERE[0], signals={"visual": 1, "caption": 0.3})
        assert weighed.no_match is None  # nothing was learned of other weights


@pytest.mark.mini
def test_a_right_hit_is_more_probable_among_few(mini: SearchEngine) -> None:
    words = THERE[0]
    every = mini.search(words, k=1)[0]
    few = mini.search(words, k=1, filter=f"id = {every.item.id} or id <= 2")[0]
    assert few.score == pytest.approx(every.score) and every.probability and few.probability
    assert few.probability > every.probability > 0.5


@pytest.mark.mini
def test_precision_cuts_off_what_is_not_as_probable(mini: SearchEngine) -> None:
    every = mini.search(THERE[0], k=20)
    chances = [hit.probability or 0 for hit in every]
    wanted = (chances[1] + chances[2]) / 2
    cut = mini.search(THERE[0], k=20, precision=wanted)
    assert cut.hits == every.hits[:2] and cut.next_page is None and cut.notes == ()
    none = mini.search(THERE[0], k=20, precision=0.999)
    assert none.hits == () and "no hit is that sure: the best has a probability of" in none.notes[0]


def test_precision_needs_probabilities(engine: SearchEngine) -> None:
    with pytest.raises(BadInput, match="needs the probability of each hit, which color does not give"):
        engine.search("red", precision=0.5)
    assert engine.search("red").no_match is None


@pytest.mark.mini
def test_a_leader_is_not_reranked_unless_somebody_asks_why(mini: SearchEngine) -> None:
    spared = mini.search(THERE[0], rerank=Budget())
    assert not spared.reranked and "not reranked: the first hit leads by" in spared.notes[0]
    whole = mini.search(THERE[0])
    assert whole.reranked and whole.notes == () and whole[0].item == spared[0].item
    for result in (
        mini.search(THERE[0], rerank=Budget(), explain=True),
        mini.search(THERE[0], rerank=Budget(), precision=0.001),
    ):
        assert result.reranked


@pytest.mark.mini
def test_a_budget_reads_the_best_of_recall(mini: SearchEngine) -> None:
    recalled = [hit.item.uri for hit in mini.search("two cats", k=20, rerank=False)]
    result = mini.search("two cats", k=20, rerank=Budget(candidates=4), explain=True)
    assert result.reranked and result.notes == ("the budget let 4 of 20 candidates be reranked",)
    found = [hit.item.uri for hit in result]
    assert sorted(found[:4]) == sorted(recalled[:4]) and found[4:] == recalled[4:]
    scores = np.array([hit.score for hit in result])
    assert (np.diff(scores) <= 0).all()
    slow = mini.search("two cats", rerank=Budget(milliseconds=1e-6), explain=True)
    assert not slow.reranked and "are not enough for one candidate" in slow.notes[0]
