"""The filter language: what it means, checked against plain Python; and what it says of mistakes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from operator import eq, ge, gt, le, lt
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from engine import BadInput, Item, SearchEngine
from engine.filters import All, Any, Compare, Filter, Has, Matches, Not, OneOf, parse
from engine.plan import searched
from engine.store.listing import Listing
from engine.types import Scalar

PLACES = ("Oslo", "Bergen", "São Paulo", 'the "old" town', "x' OR 1=1 --")
COUNT = 400


def made() -> dict[str, tuple[str, dict[str, Scalar]]]:
    """Texts with metadata of every type, some of it missing."""
    chance = random.Random(0)
    items: dict[str, tuple[str, dict[str, Scalar]]] = {}
    for n in range(COUNT):
        metadata: dict[str, Scalar] = {"n": n, "draft": chance.random() < 0.3, "camera model": f"X{n % 3}"}
        if chance.random() < 0.8:
            metadata["year"] = chance.randrange(2000, 2030)
        if chance.random() < 0.8:
            metadata["place"] = chance.choice(PLACES)
        if chance.random() < 0.5:
            metadata["weight"] = round(chance.uniform(-2, 2), 3)
        words = chance.sample(["snow", "dog", "Café", "red", "sea"], 2)
        items[f"item {n}"] = (" ".join(words), metadata)
    return items


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    with SearchEngine.open(tmp_path_factory.mktemp("filters") / "g", model="color") as engine:
        engine.add(Item(uri, "text", text, metadata=data) for uri, (text, data) in made().items())
        yield engine


def holds(tree: Filter, item: dict[str, Scalar]) -> bool:
    """What a filter means, said in Python."""
    match tree:
        case All(parts):
            return all(holds(part, item) for part in parts)
        case Any(parts):
            return any(holds(part, item) for part in parts)
        case Not(inner):
            return not holds(inner, item)
        case Compare(column, "!=", value):
            return not holds(Compare(column, "=", value), item)
        case Matches(_, words):
            return set(words.lower().split()) <= set(str(item["text"]).replace("é", "e").lower().split())
        case _:
            return item.get(tree.column) is not None and compares(tree, item[tree.column])


def compares(tree: Compare | OneOf | Has, stored: Scalar) -> bool:
    if isinstance(tree, Has):
        return True
    if isinstance(tree, OneOf):
        return stored in tree.values
    operators = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
    return bool(operators[tree.operator](stored, tree.value))


@pytest.mark.parametrize(
    "text",
    [
        "year >= 2020",
        "year < 2005 or year > 2025",
        'year >= 2010 and place = "Oslo" and not draft = true',
        'place != "Oslo"',
        "place in ('Oslo', \"Bergen\")",
        'not place in ("Oslo")',
        "has weight and weight <= -0.5",
        "not has year",
        "weight = 0 or n = 7 or n = 8.0",
        'place = "são paulo"',
        'place = "São Paulo"',
        'place = "the \\"old\\" town"',
        'place = "x\' OR 1=1 --"',
        'place > "C"',
        "`camera model` = 'X1' AND n < 30",
        'text matches "dog"',
        'text matches "SNOW dog" or text matches "cafe"',
        'text matches "nowhere"',
        'text = "snow dog"',
        'uri in ("item 3", "item 5")',
        'kind = "text" and (draft = false)',
        'kind = "image"',
        "not (n > 5 and not (n > 10 or draft = true))",
    ],
)
def test_a_filter_means_what_python_says(library: SearchEngine, text: str) -> None:
    tree = parse(text)
    expected = {
        uri
        for uri, (words, data) in made().items()
        if holds(tree, {**data, "uri": uri, "text": words, "kind": "text"})
    }
    result = library.search("red", k=COUNT, filter=text)
    assert {hit.item.uri for hit in result} == expected
    assert (result.plan.allowed, result.plan.held) == (len(expected), COUNT)
    ids = library.store.matching(tree).tolist()
    assert sorted(library.store.matching_among(tree, range(1, COUNT + 1))) == ids
    assert [item.id for item in Listing(library.store).page(text, most=COUNT)] == ids


@pytest.mark.parametrize("text", ["year < 2020", 'place in ("Oslo", "Bergen")', "has year", "not n = 3"])
def test_a_filter_is_answered_from_indexes_alone(library: SearchEngine, text: str) -> None:
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, values: object, *_rest: object) -> None:
        asked.append((statement, values))

    event.listen(library.store._engine, "before_cursor_execute", note)
    try:
        assert len(library.store.matching(parse(text)))
    finally:
        event.remove(library.store._engine, "before_cursor_execute", note)
    with library.store.asking() as connection:
        steps = [
            step
            for statement, values in asked
            if " fields" not in statement and "max(" not in statement
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    assert steps and all("USING COVERING INDEX" in step for step in steps), steps


@pytest.mark.parametrize("kind", ["exact", "flat"])
@pytest.mark.parametrize("share", [0.0025, 0.01, 0.1, 0.5, 1.0])
def test_hits_are_the_best_of_the_allowed(
    library: SearchEngine, tmp_path: Path, kind: str, share: float
) -> None:
    text = f"n < {COUNT * share}"
    with SearchEngine.open(library.path, index=kind, read_only=True) as engine:
        everything = engine.search("red sea", k=COUNT)
        wanted = [hit.score for hit in everything if float(hit.item.metadata["n"] or 0) < COUNT * share]
        found = engine.search("red sea", k=10, filter=text)
    np.testing.assert_allclose([hit.score for hit in found], wanted[:10], atol=1e-5)
    assert found.plan.name == ("pre-filter" if share <= 0.0025 else "bitmap")


@pytest.mark.parametrize("kind", ["exact", "flat"])
@pytest.mark.parametrize("text", ["n >= 40", "n >= 0", "not draft = true", "n < 100"])
def test_hits_asked_for_in_excess_are_the_best_of_the_allowed(
    library: SearchEngine, monkeypatch: pytest.MonkeyPatch, kind: str, text: str
) -> None:
    monkeypatch.setattr("engine.plan.OVER_FETCH_LEAST", 100)
    query = "red sea w1 w2"
    with SearchEngine.open(library.path, index=kind, read_only=True) as engine:
        everything = engine.search(query, k=COUNT)
        allowed = {uri for uri, (_, data) in made().items() if holds(parse(text), data)}
        best = [round(hit.score, 5) for hit in everything if hit.item.uri in allowed]
        found = engine.search(query, k=10, filter=text)
        assert [round(hit.score, 5) for hit in found] == best[:10]
        assert {hit.item.uri for hit in found} <= allowed
        assert found.plan.name == ("bitmap" if text == "n < 100" else "over-fetch")
        assert found.plan.allowed == (100 if text == "n < 100" else None)
        assert found.plan.estimated == len(allowed)  # a sample of 500 is all of 400
        explained = engine.search(query, k=10, filter=text, explain=True)
        assert explained.plan == replace(found.plan, allowed=len(allowed))
        assert searched(explained.plan) == searched(found.plan)  # so the probabilities are the same
        whole = engine.search(query, k=COUNT, filter=text)  # so many hits that a bitmap is less work
        assert (whole.plan.name, whole.plan.allowed) == ("bitmap", len(allowed))
        assert [round(hit.score, 5) for hit in whole] == best
        again = engine.search(query, k=10, filter=text)  # with the bitmap at hand
        assert again.plan.name == "bitmap" and again.hits[0].item.uri in allowed


def test_an_estimate_that_was_wrong_costs_no_hit(
    library: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.plan.OVER_FETCH_LEAST", 100)
    monkeypatch.setattr("engine.plan.estimate", lambda tree, newest, store: 1.0)
    with SearchEngine.open(library.path, read_only=True) as engine:
        found = engine.search("red", k=10, filter="n < 7")
    assert (len(found), found.plan.name, found.plan.estimated, found.plan.allowed) == (7, "bitmap", COUNT, 7)


def test_an_estimate_is_near(library: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.plan.SAMPLE", 150)
    with SearchEngine.open(library.path, read_only=True) as engine:
        for text in ("n < 40", "n < 200", "draft = false", 'text matches "snow"'):
            plan = engine.search("red", filter=text).plan
            assert plan.estimated != plan.allowed and plan.allowed is not None
            assert abs((plan.estimated or 0) - plan.allowed) < 0.15 * COUNT


def test_a_filter_follows_changes(library: SearchEngine) -> None:
    def found() -> set[str]:
        return {hit.item.uri for hit in library.search("red", k=9, filter='topic = "new"')}

    library.add([Item("a", "text", "red", metadata={"topic": "new"})])
    assert found() == {"a"}
    library.add(
        [
            Item("b", "text", "red", metadata={"topic": "new"}),
            Item("a", "text", "red", metadata={"topic": "old"}),
        ]
    )
    assert found() == {"b"}
    library.remove(["b"])
    assert found() == set()
    assert len(library.store.matching(parse('topic != "x"'))) == len(library)  # "b" is not among them
    library.remove(["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "the filter is empty"),
        ("year >= and x = 1", "  year >= and x = 1\n          ^"),
        ("year = 1 or", "  year = 1 or\n             ^"),
        ('place = "Oslo', '  place = "Oslo\n          ^'),
        ("(year = 1", "  (year = 1\n           ^"),
        ("year = 1;", "  year = 1;\n          ^"),
        ("yaer > 2000", "no item has a column 'yaer'; there is year"),
        ('year > "2000"', "year is a number, '2000' is a text; compare like with like"),
        ("draft = 1", "draft is a boolean, 1.0 is a number"),
        ('place matches "x"', "matches looks into text only"),
        ("n = 1 and " * 2000 + "n = 1", "10,000"),
        ("n=1 or " * 1000 + "n=2", "the filter has 1002 comparisons and operators, the limit is 400"),
        ("not " * 2000 + "n=1", "nested too deeply"),
        ('text matches "  "', "matches needs a word"),
    ],
)
def test_a_mistake_is_shown(library: SearchEngine, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        library.search("red", filter=text)


def test_a_column_keeps_its_type(library: SearchEngine) -> None:
    report = library.add(
        [
            Item("c", "text", "red", metadata={"year": "two thousand"}),
            Item("d", "text", "red", metadata={"kind": "x"}),
            Item("e", "text", "red", metadata={"brand": "new"}),
            Item("f", "text", "red", metadata={"brand": 3}),
        ]
    )
    assert report.added == 1 and list(report.failed) == ["c", "d", "f"]
    assert report.failed["c"].startswith(
        "metadata 'year' is a text ('two thousand') here and a number in this gal"
    )
    library.remove(["e"])
