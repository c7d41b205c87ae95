"""One content under several uris: encoded once, and its id goes with it when the file moves."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from engine import Item, ItemNotFound, Report, SearchEngine
from engine.pictures import Member, file_uri, load_picture, member_at


@pytest.fixture
def encoded(engine: SearchEngine) -> Iterator[list[int]]:
    """How many pictures each call of the encoder got, while the real encoder goes on working."""
    encoder = engine.load().encoder
    whole, calls = encoder.encode_image, []

    def counting(images: Sequence[Image.Image]) -> object:
        calls.append(len(images))
        return whole(images)

    encoder.encode_image = counting  # type: ignore[method-assign,assignment]
    yield calls
    encoder.encode_image = whole  # type: ignore[method-assign]


def test_the_same_content_under_two_uris_is_two_items_encoded_once(
    engine: SearchEngine, photos: Path, encoded: list[int]
) -> None:
    red = (photos / "red.png").read_bytes()
    pink = io.BytesIO()
    Image.new("RGB", (9, 9), "pink").save(pink, "PNG")

    report = engine.add([Item(f"copy:{n}", picture=red) for n in range(3)])
    report.merge(
        engine.add([Item("pink:1", picture=pink.getvalue()), Item("pink:2", picture=pink.getvalue())])
    )

    assert (report.added, len(engine), encoded) == (5, 13, [1])  # only pink, and once
    reds = {hit.item.uri for hit in engine.search("red", k=4)}
    assert reds == {file_uri(photos / "red.png"), "copy:0", "copy:1", "copy:2"}


def test_a_text_that_is_there_already_is_two_items_too(engine: SearchEngine) -> None:
    assert engine.add([Item("a", "text", "red"), Item("b", "text", "red")]).added == 2
    assert engine.add([Item("c", "text", "red")]).added == 1
    assert len(engine) == 11


def test_a_file_that_has_moved_keeps_its_id(engine: SearchEngine, photos: Path, encoded: list[int]) -> None:
    old = file_uri(photos / "red.png")
    item = engine.find(old)
    (photos / "elsewhere").mkdir()
    (photos / "red.png").rename(photos / "elsewhere/rouge.png")

    report = engine.add([Item(file_uri(photos / "elsewhere/rouge.png"), text="moved", metadata={"n": 1})])

    assert (report, encoded) == (Report(moved=1), [])
    found = engine.find(file_uri(photos / "elsewhere/rouge.png"))
    assert (found.id, found.text, found.metadata["n"]) == (item.id, "moved", 1)
    assert engine.search("red", k=1)[0].item.uri == found.uri
    with pytest.raises(ItemNotFound, match="no item has the uri"):
        engine.find(old)


def test_of_two_twins_that_both_moved_each_keeps_an_id(engine: SearchEngine, photos: Path) -> None:
    (photos / "red2.png").write_bytes((photos / "red.png").read_bytes())
    engine.add([photos / "red2.png"])
    ids = {engine.find(file_uri(photos / name)).id for name in ("red.png", "red2.png")}
    for name in ("red.png", "red2.png"):
        (photos / name).rename(photos / f"new-{name}")

    report = engine.add([photos / "new-red.png", photos / "new-red2.png"])

    assert report == Report(moved=2)
    assert {engine.find(file_uri(photos / f"new-{name}")).id for name in ("red.png", "red2.png")} == ids


def test_a_copy_has_not_moved(engine: SearchEngine, photos: Path) -> None:
    (photos / "copy.png").write_bytes((photos / "red.png").read_bytes())

    assert engine.add([photos / "copy.png"]) == Report(added=1)
    assert engine.find(file_uri(photos / "red.png")).id != engine.find(file_uri(photos / "copy.png")).id


def test_a_member_of_a_tar_is_served_from_where_it_is(
    engine: SearchEngine, photos: Path, tmp_path: Path
) -> None:
    path = tmp_path / "set #1.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(photos / "green.png", "green.png")
    with tarfile.open(path) as archive:
        header = archive.getmember("green.png")
    member = Member(path, header.offset_data, header.size)
    assert member_at(member.uri) == member

    engine.add([Item("tar:green", picture=load_picture(member))])

    item = engine.find("tar:green")
    assert engine.open_picture(item.id or 0) == (photos / "green.png").read_bytes()
    assert load_picture(engine.thumbnail(item.id or 0, 20)).height == 20
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(
        ItemNotFound, match=r"is gone from member:.*set%20%231\.tar.*has changed; index it again"
    ):
        engine.open_picture(item.id or 0)


def test_failures_are_told_by_reason() -> None:
    report = Report(failed={"a": "empty", "b": "gone", "c": "gone"})

    assert list(report.reasons().items()) == [("gone", ["b", "c"]), ("empty", ["a"])]
