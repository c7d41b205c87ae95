"""What may be asked: regions, items by uri, and what is refused with which words."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from engine import BadInput, ItemNotFound, Part, Query, SearchEngine
from engine.pictures import file_uri
from engine.query import compose
from engine.regions import crop
from engine.types import Region


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """A picture of 200 x 100 pixels: red on its left, blue on its right."""
    path = tmp_path / "flag.png"
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    picture.save(path)
    return path


def first(engine: SearchEngine, *parts: Part) -> str:
    return Path(engine.search(Query(parts), k=1)[0].item.uri).stem


def test_a_box_in_pixels_or_in_shares_searches_by_that_part_of_a_picture(
    engine: SearchEngine, flag: Path
) -> None:
    assert first(engine, Part(picture=flag, region=Region(0, 0, 100, 100))) == "red"
    assert first(engine, Part(picture=flag, region=Region(100, 0, 100, 100))) == "blue"
    assert first(engine, Part(picture=flag.read_bytes(), region=Region(0.5, 0, 0.5, 1))) == "blue"


def test_a_box_of_an_item_cuts_the_items_own_picture(engine: SearchEngine, flag: Path) -> None:
    engine.add([flag])
    item = engine.find(file_uri(flag)).id
    assert first(engine, Part(item=item, region=Region(0, 0, 0.5, 1))) == "red"
    assert first(engine, Part(item=file_uri(flag), region=Region(0.5, 0, 0.5, 1))) == "blue"
    flag.unlink()
    with pytest.raises(ItemNotFound, match="is gone"):
        engine.search(Query((Part(item=item, region=Region(0, 0, 0.5, 1)),)))


@pytest.mark.parametrize(
    ("region", "said"),
    [
        (Region(150, 0, 100, 50), r"box \[150,0,100,50\] reaches outside .* 200 x 100 pixels"),
        (Region(-1, 0, 10, 10), "reaches outside"),
        (Region(0.6, 0, 0.5, 1), r"box \[0.6,0,0.5,1\] reaches outside"),
        (Region(10, 10, 0, 20), "is empty.* 200 x 100 pixels"),
        (Region(10, 10, -5, 20), "is empty"),
        (Region(float("nan"), 0, 10, 10), "is not four numbers.* 200 x 100 pixels"),
        (Region(0, 0, float("inf"), 10), "is not four numbers"),
    ],
)
def test_a_box_that_is_none_is_refused_with_the_pictures_size(
    engine: SearchEngine, flag: Path, region: Region, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        engine.search(Query((Part(picture=flag, region=region),)))


def test_a_box_keeps_every_pixel_it_touches() -> None:
    picture = Image.new("RGB", (10, 10))
    assert crop(picture, Region(0.1, 0.1, 0.2, 0.3)).size == (2, 3)
    assert crop(picture, Region(0.7, 0, 0.3, 1)).size == (3, 10)
    assert crop(picture, Region(9.9, 9.9, 0.1, 0.1)).size == (1, 1)
    assert crop(picture, Region(0, 0, 1, 1)).size == (10, 10)
    assert crop(picture, Region(0.999, 0.999, 0.001, 0.001)).size == (1, 1)


def test_a_string_is_read_by_the_grammar(
    engine: SearchEngine, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    asked = Query((Part(text="red"), Part(picture=Path("blue.png")), Part(text="green", weight=-0.5)))
    expected = [hit.item.uri for hit in engine.search(asked)]
    assert [hit.item.uri for hit in engine.search('"red" + blue.png - "green"*0.5')] == expected
    assert expected != [hit.item.uri for hit in engine.search("red")]


def test_an_item_is_found_by_its_uri_and_is_no_answer_to_itself(engine: SearchEngine, photos: Path) -> None:
    uri = file_uri(photos / "red.png")
    hits = engine.search(f"like:{uri}")
    assert len(hits) == 7
    assert uri not in [hit.item.uri for hit in hits]
    assert hits.hits == engine.search(f"like:{engine.find(uri).id}").hits


def test_an_item_that_has_just_been_removed_is_named(engine: SearchEngine, photos: Path) -> None:
    uri = file_uri(photos / "red.png")
    item = engine.find(uri).id
    engine.remove([uri])
    for asked in (f"like:{item}", f"like:{uri}", f"like:{item}[0,0,5,5]"):
        with pytest.raises(ItemNotFound, match="no item has the (id|uri)"):
            engine.search(asked)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Part(text="Red  dog"), Part(text="red dog", weight=-0.5)), "asks for 'red dog' and takes it away"),
        ((Part(item=1), Part(item=1, weight=-1)), "asks for one item and takes it away"),
        ((Part(text="red"), Part(text="red red", weight=-1)), "cancel out"),
        ((Part(text="?!…"),), "no letter and no digit"),
        ((Part(text="a \ud800 dog"),), "half of a character"),
        ((Part(text="a", region=Region(0, 0, 1, 1)),), "a text has no box"),
        ((Part(text="red " * 2000),), "2,000 tokens|8,000 characters|make it shorter"),
        ((Part(text="a", weight=0),), "not zero"),
        ((Part(text="a", weight=float("nan")),), "not zero"),
        ((Part(text="a"),) * 17, "1 to 16 parts"),
        ((), "1 to 16 parts"),
        ((Part(text="a", item=1),), "one of: text, picture, item"),
    ],
)
def test_what_cannot_be_answered_is_refused(engine: SearchEngine, parts: tuple[Part, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        engine.search(Query(parts))


def test_digits_and_pictographs_are_something_to_look_for(engine: SearchEngine) -> None:
    for typed in ("42", "🐶", "北京"):
        assert engine.search(typed).hits


def test_huge_weights_only_scale(engine: SearchEngine) -> None:
    asked = Query((Part(text="red", weight=1e300), Part(text="blue", weight=1e300)))
    even = Query((Part(text="red"), Part(text="blue")))
    assert [hit.item.uri for hit in engine.search(asked)] == [hit.item.uri for hit in engine.search(even)]


def test_a_file_that_is_not_there_is_told_from_words(engine: SearchEngine) -> None:
    with pytest.raises(
        BadInput, match="cannot be read: .*: beach.jpg; if these are words, put them in quotes"
    ):
        engine.search("beach.jpg")


def test_a_box_of_a_picture_in_memory_is_the_same(engine: SearchEngine, flag: Path) -> None:
    out = BytesIO()
    Image.open(flag).save(out, "PNG")
    assert first(engine, Part(picture=out.getvalue(), region=Region(0, 0, 0.4, 1))) == "red"


def test_a_text_that_another_says_too_counts_and_is_read_once(engine: SearchEngine) -> None:
    parts = [Part(text="red, blue"), Part(text="blue", weight=0.25), Part(text="green", weight=0.5)]
    composed = [
        compose(Query(tuple(some)), engine.load(), engine.store, lambda item: b"")
        for some in (parts, [parts[0], parts[2]])
    ]
    for one in composed:
        assert [(read.text, round(read.share, 3)) for read in one.read] == [
            ("red, blue", 0.667),
            ("green", 0.333),
        ]
    assert not (composed[0].vectors["visual"] == composed[1].vectors["visual"]).all()
