"""Captions written at ingest: found by their words, kept apart from people's, and giving way to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL.Image import Image

from engine import Item, Part, Query, Report, SearchEngine
from engine.pictures import file_uri
from engine.telling import Caption
from engine.telling import table as tellers
from engine.telling.table import Teller
from engine.verify import verify


class Namer:
    """A captioner that needs no weights: it names the color of the first pixel."""

    name = "namer"

    def __init__(self) -> None:
        self.written = 0

    def caption(self, pictures: Sequence[Image], *, count: int = 1) -> list[list[Caption]]:
        self.written += len(pictures)
        names = {(255, 0, 0): "scarlet", (0, 0, 255): "azure"}
        return [[Caption(f"A {names.get(p.getpixel((0, 0)), 'plain')} wall.")] for p in pictures]  # type: ignore[arg-type]


@pytest.fixture
def namer(monkeypatch: pytest.MonkeyPatch) -> Namer:
    made = Namer()
    monkeypatch.setitem(tellers.TELLERS, "namer", Teller("names colors", "-", lambda *_: made))
    return made


def found(engine: SearchEngine, words: str, **signals: float) -> list[str]:
    return [Path(hit.item.uri).stem for hit in engine.search(words, signals=signals)]


def test_they_are_found_by_their_words_and_marked(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    assert found(engine, "scarlet", lexical=1) == []
    report = engine.add(sorted(photos.iterdir()), captions="namer")
    assert report == Report(updated=8) and namer.written == 8
    assert found(engine, "scarlet", lexical=1) == ["red"]
    assert len(found(engine, "scarlet", caption=1)) == 8
    item = engine.find(file_uri(photos / "red.png"))
    assert (item.text, item.generated) == (None, "A scarlet wall.")
    assert verify(engine.path) == []


def test_they_are_written_once(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    engine.add(sorted(photos.iterdir()), captions="namer")
    assert engine.add(sorted(photos.iterdir()), captions="namer") == Report(unchanged=8)
    assert engine.add(sorted(photos.iterdir())) == Report(unchanged=8)
    assert namer.written == 8


def test_people_have_the_last_word(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    engine.add([photos / "red.png"], captions="namer")
    said = Item(file_uri(photos / "red.png"), text="A barn.", picture=photos / "red.png")
    engine.add([said], captions="namer")
    item = engine.find(said.uri)
    assert (item.text, item.generated) == ("A barn.", None) and namer.written == 1
    assert found(engine, "scarlet", lexical=1) == [] and found(engine, "barn", lexical=1) == ["red"]
    engine.add([photos / "red.png"], captions="namer")  # the caption is gone again
    assert engine.find(said.uri).generated == "A scarlet wall." and verify(engine.path) == []


def test_another_picture_gets_another_caption(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    engine.add([photos / "red.png"], captions="namer")
    (photos / "red.png").write_bytes((photos / "blue.png").read_bytes())
    engine.add([photos / "red.png"], captions="namer")
    assert engine.find(file_uri(photos / "red.png")).generated == "A azure wall."
    (photos / "red.png").write_bytes((photos / "white.png").read_bytes())
    engine.add([photos / "red.png"])  # nobody asked for one
    assert engine.find(file_uri(photos / "red.png")).generated is None and verify(engine.path) == []


def test_a_copy_and_a_move_keep_it(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    engine.add([photos / "red.png"], captions="namer")
    (photos / "red.png").rename(photos / "moved.png")
    assert engine.add([photos / "moved.png"]) == Report(moved=1)
    assert engine.find(file_uri(photos / "moved.png")).generated == "A scarlet wall."


def test_the_nearest_captions_are_peoples(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    from engine.telling.told import nearest_captions

    engine.add([photos / "red.png"], captions="namer")
    engine.add([Item(file_uri(photos / "orange.png"), text="A fruit.", picture=photos / "orange.png")])
    item = engine.find(file_uri(photos / "red.png"))
    near = nearest_captions(engine, Part(item=item.id), 3)
    assert [(one.text, Path(one.item.uri).stem) for one in near] == [("A fruit.", "orange")]
    assert nearest_captions(engine, Part(item=item.id), 0) == []
    assert Query((Part(item=item.id),)).parts  # an item's own caption is never its nearest


def test_words_that_went_astray_are_mended(engine: SearchEngine, photos: Path, namer: Namer) -> None:
    engine.add([photos / "red.png"], captions="namer")
    with sqlite3.connect(engine.path / "gallery.db") as raw:
        raw.execute("UPDATE words SET generated = 'wrong' WHERE generated != ''")
    raw.close()
    assert len(verify(engine.path)) == 1
    verify(engine.path, repair=True)
    assert found(engine, "scarlet", lexical=1) == ["red"]
