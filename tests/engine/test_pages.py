"""Pages of a real engine, while items come and go between them."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import BadInput, Item, Result, SearchEngine

OPTIONS = [{}, {"group": True}, {"diversity": 0.4}, {"group": True, "diversity": 0.4}]


def picture(number: int) -> Item:
    """A picture of a shade of its own; every third has the look of the one before it."""
    shade, file = number - number % 3 // 2, io.BytesIO()
    Image.new("RGB", (4, 4), (255 - 2 * shade, shade * 37 % 256, shade * 91 % 256)).save(file, "PNG")
    return Item(f"picture/{number}", picture=file.getvalue())


def shown(result: Result) -> list[str]:
    """Everything a page shows: its hits, and what stands behind them."""
    return [item.uri for hit in result for item in (hit.item, *(one.item for one in hit.alike))]


@pytest.mark.parametrize("options", OPTIONS)
def test_pages_add_up_to_the_whole_order(engine: SearchEngine, options: dict[str, bool | float]) -> None:
    engine.add(map(picture, range(30)))
    whole = engine.search("red", k=50, **options)
    assert whole.next_page is None
    pages, page = [], None
    while True:
        found = engine.search("red", k=7, page=page, **options)
        pages.append(found)
        page = found.next_page
        if page is None:
            break
    hits = [hit for found in pages for hit in found]
    assert [(hit.item.uri, hit.rank) for hit in hits] == [(hit.item.uri, hit.rank) for hit in whole]
    assert len(pages) == -(-len(whole) // 7) and sorted(map(str, shown(whole))) == sorted(shown_all(pages))


def shown_all(pages: list[Result]) -> list[str]:
    return [uri for found in pages for uri in shown(found)]


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_nothing_is_repeated_or_skipped_while_items_come_and_go(data: st.DataObject) -> None:
    options = data.draw(st.sampled_from(OPTIONS))
    with TemporaryDirectory() as folder, SearchEngine.open(folder, model="color") as engine:
        engine.add(map(picture, range(25)))
        at_first, removed, seen, number = {f"picture/{n}" for n in range(25)}, set[str](), list[str](), 25
        page = None
        while True:
            found = engine.search("red", k=data.draw(st.integers(1, 8)), page=page, **options)
            seen += shown(found)
            page = found.next_page
            if page is None:
                break
            for _ in range(data.draw(st.integers(0, 3))):  # they may well be nearer than what was shown
                engine.add([picture(number)])
                number += 1
            gone = data.draw(st.sets(st.sampled_from(sorted(at_first - removed)), max_size=2))
            engine.remove(gone)
            removed |= gone
        assert len(seen) == len(set(seen))
        assert at_first - removed <= set(seen) <= at_first


def test_an_item_that_changes_between_pages_is_still_to_come(engine: SearchEngine, photos: Path) -> None:
    first = engine.search("red", k=4)
    last = engine.search("red", k=8)[7].item
    engine.add([Item(last.uri, picture=photos / "red.png", text="it has a caption now")])
    rest = engine.search("red", k=9, page=first.next_page)
    assert rest[0].item.uri == last.uri and len(rest) == 4 and rest.next_page is None


def test_a_filter_and_pages(engine: SearchEngine) -> None:
    engine.add(map(picture, range(20)))
    first = engine.search("red", k=5, filter="width = 4")
    engine.add([picture(20)])
    rest = engine.search("red", k=50, filter="width = 4", page=first.next_page)
    assert sorted(shown_all([first, rest])) == sorted(f"picture/{n}" for n in range(20))


def test_a_page_of_another_query_or_gallery(engine: SearchEngine, photos: Path, tmp_path: Path) -> None:
    page = engine.search("red", k=2).next_page
    with pytest.raises(BadInput, match="the page belongs to another query"):
        engine.search("blue", page=page)
    with SearchEngine.open(tmp_path / "other", model="color") as other:
        other.add(sorted(photos.iterdir()))
        with pytest.raises(BadInput, match="is no page of this gallery"):
            other.search("red", page=page)
