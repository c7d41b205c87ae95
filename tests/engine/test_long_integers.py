"""Integers of more than 53 bits, which run together as floats: a filter tells them apart all the same."""

from __future__ import annotations

from collections.abc import Iterator
from operator import ge, gt, le, lt, ne
from pathlib import Path

import pytest

from engine import BadInput, Item, SearchEngine

LONG = 2**53
COMPARED = {"<": lt, "<=": le, ">": gt, ">=": ge, "!=": ne}
NUMBERS = (-LONG - 1, 7, LONG - 1, LONG, LONG + 1, LONG + 2, 2**63 - 1)


@pytest.fixture
def engine(gallery: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(gallery, model="color", device="cpu") as opened:
        opened.add(Item(str(n), "text", "red", metadata={"n": n, 'a "b"': n}) for n in NUMBERS)
        opened.add([Item("half", "text", "red", metadata={"n": 0.5}), Item("none", "text", "red")])
        yield opened


@pytest.mark.parametrize("number", [*NUMBERS, LONG + 3, 2**63 - 2])
def test_a_long_integer_equals_itself_alone(engine: SearchEngine, number: int) -> None:
    expected = [str(n) for n in NUMBERS if n == number]
    for filter in (f"n = {number}", f"n in ({number}, 0.25)", f'`a "b"` = {number}'):
        assert [item.uri for item in engine.listing.page(filter)] == expected
        assert [hit.item.uri for hit in engine.search("red", filter=filter)] == expected


@pytest.mark.parametrize("operator", COMPARED)
@pytest.mark.parametrize("number", [-LONG - 1, LONG, LONG + 1, LONG + 3, 2**63 - 1])
def test_long_integers_are_in_order(engine: SearchEngine, operator: str, number: int) -> None:
    filter = f"n {operator} {number}"
    numbers: dict[str, float] = {**{str(n): n for n in NUMBERS}, "half": 0.5}
    expected = {uri for uri, n in numbers.items() if COMPARED[operator](n, number)} | (
        {"none"} if operator == "!=" else set()
    )

    assert {item.uri for item in engine.listing.page(filter)} == expected
    assert {hit.item.uri for hit in engine.search("red", k=20, filter=filter)} == expected


def test_numbers_that_are_no_such_integers_are_compared_as_before(engine: SearchEngine) -> None:
    for filter, count in (("n < 1e300", 8), ("n < 1" + "0" * 400, 8), ("n > 9223372036854775808", 0)):
        assert engine.listing.count(filter) == count
    with pytest.raises(BadInput, match="uri is a text, 9007199254740993 is a number"):
        engine.listing.count("uri = 9007199254740993")


def test_long_integers_are_counted_apart(engine: SearchEngine) -> None:
    assert sorted(engine.listing.values("n")) == [(-LONG - 1, 1), (0.5, 1), *((n, 1) for n in NUMBERS[1:])]
