"""Metadata laid out for filters: what type a column has, and for how long; numbers no float holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Item, Report, SearchEngine
from engine.types import Scalar


@pytest.fixture
def engine(gallery: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(gallery, model="color", device="cpu") as opened:
        yield opened


def text(uri: str, **metadata: Scalar) -> Item:
    return Item(uri, "text", "red", metadata=metadata)


def found(engine: SearchEngine, filter: str) -> list[str]:
    return sorted(item.uri for item in engine.listing.page(filter))


def test_a_column_without_values_takes_the_type_of_the_next_one(engine: SearchEngine) -> None:
    engine.add([text("a", year="ca. 1920"), text("b", place="Oslo")])
    assert list(engine.add([text("c", year=1931)]).failed) == ["c"]

    engine.remove(["a"])

    assert found(engine, "has year") == []  # the column itself is known as before
    assert engine.add([text("c", year=1931)]) == Report(added=1)
    assert found(engine, "year > 1930") == ["c"]


def test_a_value_that_is_mended_frees_its_column_for_the_others(engine: SearchEngine) -> None:
    engine.add([text("a", year="ca. 1920"), text("b", year="undated")])
    wrong = engine.add([text("c", year=1931)]).failed["c"]
    assert wrong == (
        "metadata 'year' is a number (1931) here and a text in this gallery; "
        "convert it, give it another name, or first take it out where it is a text"
    )

    assert engine.add([text("c", year=1931), text("a", year=1920), text("b", year=1950)]) == Report(
        added=1, updated=2
    )
    assert found(engine, "year > 1930") == ["b", "c"]


def test_a_column_stays_what_it_is_in_items_that_stay_as_they_are(engine: SearchEngine) -> None:
    engine.add([text("a", year="ca. 1920"), text("b", year="undated")])

    report = engine.add([text("c", year=1931), text("a", year=1920)])  # b is a text still

    assert (report.added, list(report.failed)) == (0, ["c", "a"])
    report = engine.add([text("c", year=1931), text("a", year="1920"), text("b", year=1950)])
    assert (report.updated, list(report.failed)) == (1, ["c", "b"])  # c is no reason to refuse a
    assert found(engine, 'year = "1920"') == ["a"] and found(engine, 'year = "undated"') == ["b"]
    engine.add([text("a"), text("b")])
    assert engine.add([text("c", year=1931)]) == Report(added=1)
