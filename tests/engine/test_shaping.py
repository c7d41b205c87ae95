"""Near-duplicates behind one hit and unlike things first, through a real engine."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Item, Part, Query, Result, SearchEngine
from engine.pictures import file_uri
from engine.shaping import GROUP_DEPTH


def names(result: Result) -> list[str]:
    return [Path(hit.item.uri).stem for hit in result]


def png(red: int, green: int, blue: int, size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (red, green, blue)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def copies(engine: SearchEngine) -> SearchEngine:
    """Beside the eight colors three copies of a picture that looks like the red one, and another such."""
    engine.add(Item(f"copy/{n}", picture=png(250, 4, 0)) for n in range(3))
    engine.add([Item("like", picture=png(244, 8, 0))])
    return engine


def test_look_alikes_stand_behind_the_best(copies: SearchEngine) -> None:
    plain, result = copies.search("red", k=12), copies.search("red", k=3, group=True)
    assert names(plain)[0] == "red" and all(hit.alike == () for hit in plain)
    assert names(result) == ["red", "orange", "purple"] and [hit.rank for hit in result] == [1, 2, 3]
    alike = {one.item.uri: one for one in result[0].alike}
    assert set(alike) == {"copy/0", "copy/1", "copy/2", "like"}
    assert not any(one.exact for one in alike.values())  # of one another, but not of what they stand behind
    assert 0.95 < alike["like"].likeness < alike["copy/0"].likeness < 1


def test_grouping_loses_nothing(copies: SearchEngine) -> None:
    grouped = copies.search("red", k=12, group=True)
    items = [item.uri for hit in grouped for item in (hit.item, *(one.item for one in hit.alike))]
    assert sorted(items) == sorted(hit.item.uri for hit in copies.search("red", k=12))


def test_the_same_bytes_are_told_from_the_same_look(copies: SearchEngine, photos: Path) -> None:
    copies.add([Item("again", picture=photos / "red.png")])
    (hit,) = copies.search("red", k=1, group=True)
    twins = {file_uri(photos / "red.png"), "again"}
    assert {one.item.uri for one in hit.alike if one.exact} == twins - {hit.item.uri}
    assert len(hit.alike) == 5 and all(one.likeness > 0.95 for one in hit.alike)


def test_texts_are_grouped_by_what_they_say(engine: SearchEngine) -> None:
    engine.add(Item(name, "text", text) for name, text in (("a", "a barn"), ("b", "a barn"), ("c", "a cow")))
    first, second = engine.search(Query((Part(text="a barn"),), kind="text"), group=True)
    (behind,) = first.alike
    assert ({first.item.uri, behind.item.uri}, behind.exact) == ({"a", "b"}, True)
    assert (second.item.uri, second.alike) == ("c", ())


def test_groups_are_counted_though_a_thousand_copies_come_first(engine: SearchEngine) -> None:
    engine.add(Item(f"copy/{n}", picture=png(0, 255, 0)) for n in range(GROUP_DEPTH - 20))
    engine.add([Item("darker", picture=png(0, 200, 90))])
    result = engine.search("lime", k=3, group=True)
    assert len(result) == 3 and len(result[0].alike) == GROUP_DEPTH - 21


def test_diversity_shows_more_things(engine: SearchEngine) -> None:
    generator = np.random.default_rng(0)
    shades = {
        "crimson": (200, 20, 20),
        "sky": (90, 120, 255),
        "grass": (120, 220, 60),
        "sand": (230, 210, 90),
    }
    for name, color in shades.items():
        around = np.clip(np.array(color) + generator.integers(-9, 10, (12, 3)), 0, 255)
        engine.add(Item(f"{name}/{n}", picture=png(*map(int, rgb))) for n, rgb in enumerate(around))

    def things(diversity: float) -> list[str]:
        result = engine.search("red", k=8, diversity=diversity)
        assert [hit.rank for hit in result] == list(range(1, 9))
        return [hit.item.uri.partition("/")[0] if "/" in hit.item.uri[:9] else "color" for hit in result]

    assert len(set(things(0))) < len(set(things(0.5))) <= len(set(things(1)))


def test_a_diverse_order_keeps_the_true_scores_and_says_so(copies: SearchEngine) -> None:
    plain, diverse = copies.search("red", k=12), copies.search("red", k=12, diversity=0.5)
    assert plain.notes == () and "diversity" in diverse.notes[0]
    scores = {hit.item.uri: hit.score for hit in plain}
    assert names(plain) != names(diverse) and {hit.item.uri: hit.score for hit in diverse} == scores
    assert plain[0].item == diverse[0].item


def test_no_diversity_is_the_order_by_score(copies: SearchEngine) -> None:
    assert copies.search("red", k=12, diversity=0.0).hits == copies.search("red", k=12).hits
