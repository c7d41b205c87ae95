"""What the rules make of utterances; no model is asked."""

from __future__ import annotations

import pytest

from engine import BadInput
from engine.dialogue.moves import Do, Move, Said
from engine.dialogue.rules import comparative, read

COLUMNS = {"year": "number", "place": "text"}
SAID = Said((70, 71, 72, 73), None, COLUMNS, lambda column, value: (column, value) == ("place", "Oslo"))

READ: list[tuple[str, list[Move]]] = [
    ("the same at night", [Move(Do.ADD, "at night")]),
    ("The same, but with snow!", [Move(Do.ADD, "snow")]),
    ("the same without people", [Move(Do.LESS, "people")]),
    ("without people", [Move(Do.LESS, "people")]),
    ("no people", [Move(Do.LESS, "people")]),
    ("without any people and cars, please", [Move(Do.LESS, "people"), Move(Do.LESS, "cars")]),
    ("less snow", [Move(Do.LESS, "snow")]),
    ("take away the dogs", [Move(Do.LESS, "dogs")]),
    ("more like the second", [Move(Do.LIKE, items=(71,))]),
    ("show me more like the second one", [Move(Do.LIKE, items=(71,))]),
    ("less like the third", [Move(Do.UNLIKE, items=(72,))]),
    ("more like the first two and the last", [Move(Do.LIKE, items=(70, 71, 73))]),
    ("like number 3", [Move(Do.LIKE, items=(72,))]),
    ("more like #2 at night", [Move(Do.LIKE, items=(71,)), Move(Do.ADD, "at night")]),
    (
        "more like the second, but without people and less like the third",
        [Move(Do.LIKE, items=(71,)), Move(Do.LESS, "people"), Move(Do.UNLIKE, items=(72,))],
    ),
    ("more like item 5", [Move(Do.LIKE, items=(5,))]),
    ("not that one", [Move(Do.UNLIKE, items=(70,))]),
    ("only dogs", [Move(Do.ONLY, "dogs")]),
    ("only pictures", [Move(Do.KIND, "image")]),
    ("only from 2020", [Move(Do.FILTER, "year = 2020", "year")]),
    ("taken before 2019", [Move(Do.FILTER, "year < 2019", "year")]),
    ("between 2018 and 2020", [Move(Do.FILTER, "year >= 2018 and year <= 2020", "year")]),
    ("from 2018 on", [Move(Do.FILTER, "year >= 2018", "year")]),
    ("only in oslo", [Move(Do.FILTER, 'place = "Oslo"', "place")]),
    ("only in Bergen", [Move(Do.ONLY, "in Bergen")]),
    ("where year > 2019", [Move(Do.FILTER, "year > 2019")]),
    ("from any year", [Move(Do.UNFILTER)]),
    ("brighter", [Move(Do.MORE, "bright", "dark")]),
    ("a bit darker", [Move(Do.MORE, "dark", "bright")]),
    ("bigger", [Move(Do.MORE, "big", "small")]),
    ("more snow", [Move(Do.MORE, "snow")]),
    ("a cat instead of the dog", [Move(Do.INSTEAD, "a cat", "the dog")]),
    ("on the beach instead", [Move(Do.INSTEAD, "on the beach")]),
    ("forget the people", [Move(Do.DROP, "people")]),
    ("also a red ball", [Move(Do.ADD, "a red ball")]),
    ("jumping over a log", [Move(Do.ADD, "jumping over a log")]),
    ("in black and white", [Move(Do.ADD, "in black and white")]),
    ("start over", [Move(Do.RESTART)]),
    ("start over with cats", [Move(Do.RESTART), Move(Do.NEW, "cats")]),
    ("undo", [Move(Do.UNDO)]),
    ("go back", [Move(Do.UNDO)]),
    ("search for a red car", [Move(Do.NEW, "a red car")]),
    ("show me a red car", [Move(Do.NEW, "a red car")]),
    ("a red car", [Move(Do.OPEN, "a red car")]),
    ("a farmer", [Move(Do.OPEN, "a farmer")]),
    ("flower", [Move(Do.OPEN, "flower")]),
    ("the second world war", [Move(Do.OPEN, "the second world war")]),
]


@pytest.mark.parametrize(("utterance", "moves"), READ, ids=[row[0] for row in READ])
def test_an_utterance_is_read(utterance: str, moves: list[Move]) -> None:
    assert read(utterance, SAID) == moves


def test_that_one_is_the_item_last_spoken_of() -> None:
    assert read("not that one", Said((70, 71), 71)) == [Move(Do.UNLIKE, items=(71,))]


@pytest.mark.parametrize(
    ("utterance", "shown", "says"),
    [
        ("more like the fifth", (70, 71), "2 hits are shown, so there is no number 5"),
        ("more like #0", (70, 71), "there is no number 3"),
        ("more like the second", (), "nothing is shown yet"),
    ],
)
def test_a_hit_that_is_not_there_is_said(utterance: str, shown: tuple[int, ...], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read(utterance, Said(shown))


def test_a_year_needs_a_column() -> None:
    with pytest.raises(BadInput, match="no item has a year, so none can be from 2020; the columns are place"):
        read("only from 2020", Said(columns={"place": "text"}))
    assert read("in 2020", Said(columns={"place": "text"})) == [Move(Do.ADD, "in 2020")]


def test_dates_are_compared_as_texts() -> None:
    (move,) = read("only from 2020", Said(columns={"taken": "text"}))
    assert move == Move(Do.FILTER, 'taken >= "2020" and taken < "2021"', "taken")


def test_comparatives() -> None:
    assert [comparative(word) for word in ("dark", "big", "sunny", "wide", "clean", "new")] == [
        "darker",
        "bigger",
        "sunnier",
        "wider",
        "cleaner",
        "newer",
    ]
