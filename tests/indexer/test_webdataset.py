"""Webdataset tars: what of a key belongs together, what is never unpacked, and what a damaged tar costs."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from making import png, write_pictures, write_tar

from engine import BadInput, Report, SearchEngine
from engine.pictures import load_picture
from indexer import Reading, index, read
from indexer.sources import kind_of
from indexer.sources.found import PictureBytes, PictureMember, Unreadable, Words
from indexer.sources.webdataset import expand_range


def members() -> dict[str, bytes]:
    return {
        "set/a.json": json.dumps({"caption": "red one", "year": 2020, "tags": ["x", "y"], "id": 7}).encode(),
        "set/a.png": png("red"),
        "set/b.png": png("blue"),
        "set/b.txt": b"blue one\nblue two\n",
        "set/b.cls": b"3",
        "set/c.txt": b"words alone",
    }


@pytest.mark.parametrize(
    ("name", "mode", "kind"), [("s.tar", "w", PictureMember), ("s.tar.gz", "w:gz", PictureBytes)]
)
def test_members_of_one_key_are_one_item(
    tmp_path: Path, empty: SearchEngine, name: str, mode: str, kind: type
) -> None:
    path = write_tar(tmp_path / name, members(), mode)
    assert [type(found) for found in read(path, Reading())] == [kind, kind, Words]

    assert index(empty, [path]) == Report(added=3)

    a, b, c = (empty.find(f"tar:{path}#set/{key}") for key in ("a.png", "b.png", "c"))
    assert (a.text, a.kind) == ("red one", "image")
    measured = {"width": 8, "height": 8, "format": "PNG"}
    assert a.metadata == {"name": "a.png", "year": 2020, "tags": '["x", "y"]', "row_id": 7, **measured}
    assert (b.text, b.metadata["cls"]) == ("blue one\nblue two", 3)
    assert (c.text, c.kind) == ("words alone", "text")
    assert empty.search("red", k=1)[0].item.uri == a.uri
    assert index(empty, [path]) == Report(unchanged=3)


def test_a_second_picture_of_a_key_is_told(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_tar(tmp_path / "s.tar", {"a.png": png("red"), "a.jpg": png("blue"), "a.txt": b"the first"})

    assert index(empty, [path]) == Report(
        added=1, failed={f"tar:{path}#a.jpg": "its key has a.png already; give it a key of its own"}
    )
    assert empty.find(f"tar:{path}#a.png").text == "the first"


def test_a_member_is_shown_from_its_place_and_nothing_is_copied(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_tar(tmp_path / "s.tar", members())
    index(empty, [path])
    item = empty.find(f"tar:{path}#set/b.png")

    assert empty.open_picture(item.id or 0) == png("blue")
    assert load_picture(empty.thumbnail(item.id or 0, 16)).image.getpixel((1, 1))[2] > 200  # type: ignore[index]
    assert not (empty.path / "uploads").exists()


def test_a_tar_written_again_with_other_words_updates_them(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_tar(tmp_path / "s.tar", members())
    index(empty, [path])
    write_tar(path, {**members(), "set/b.txt": b"other words, and more of them", "set/d.png": png("green")})

    assert index(empty, [path]) == Report(added=1, updated=1, unchanged=2)
    assert empty.find(f"tar:{path}#set/b.png").text == "other words, and more of them"


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/outside.png", "a/../../x.png"])
def test_a_name_that_leads_out_of_a_tar_leads_nowhere(tmp_path: Path, empty: SearchEngine, name: str) -> None:
    path = write_tar(tmp_path / "s.tar", {name: png("red")})
    before = set(tmp_path.iterdir())

    assert index(empty, [path]).added == 1

    item = empty.search("red", k=1)[0].item
    assert item.uri == f"tar:{path}#{name}"
    assert empty.open_picture(item.id or 0) == png("red")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("keep", [0.4, 0.75])
def test_a_tar_cut_off_gives_what_is_whole_and_the_rest_goes_on(
    tmp_path: Path, empty: SearchEngine, keep: float
) -> None:
    path = write_tar(tmp_path / "cut.tar", {f"{n:02}.png": png("red", n + 1) for n in range(40)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) // 512 * 512 + 100])
    photos = write_pictures(tmp_path / "photos", "blue.png")

    report = index(empty, [path, photos])

    assert 5 < report.added < 40
    assert any("cut.tar is no whole tar" in reason for reason in report.failed.values())
    assert empty.search("blue", k=1)[0].item.uri == (photos / "blue.png").as_uri()


def test_a_tar_that_ends_between_two_members_is_known_as_cut(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "cut.tar", {f"{color}.png": png(color) for color in ("red", "blue", "green")})
    path.write_bytes(path.read_bytes()[: 2 * 1024])  # a header and a block of data each

    first, end = read(path, Reading())  # the second may lack a caption that was to follow

    assert first.uri == f"tar:{path}#red.png"
    assert end == Unreadable(path.as_uri(), f"{path} is no whole tar: its end is missing")


def test_bad_json_beside_a_picture_fails_that_picture_alone(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_tar(tmp_path / "s.tar", {"k.png": png("red"), "k.json": b"{", "l.png": png("blue")})

    report = index(empty, [path])

    assert report.added == 1
    assert "k.json: not JSON" in report.failed[f"tar:{path}#k.png"]


def test_a_range_of_tars_is_written_out(tmp_path: Path, empty: SearchEngine) -> None:
    for n in range(9, 12):
        write_tar(tmp_path / f"s-{n:03}.tar", {f"{n}.png": png("red", n)})

    assert index(empty, [f"{tmp_path}/s-{{009..011}}.tar"]).added == 3
    assert expand_range("{8..10}.tar") == ["8.tar", "9.tar", "10.tar"]
    assert expand_range("{08..10}.tar") == ["08.tar", "09.tar", "10.tar"]
    with pytest.raises(BadInput, match=r"no such file or folder: .*s-012\.tar"):
        index(empty, [f"{tmp_path}/s-{{009..012}}.tar"])
    with pytest.raises(BadInput, match="is an empty range"):
        expand_range("{3..2}.tar")


def test_img2dataset_output_is_read_as_tars_or_as_files(tmp_path: Path, empty: SearchEngine) -> None:
    tars, files = tmp_path / "tars", tmp_path / "files"
    tars.mkdir()
    row = {"caption": "a red square", "url": "https://example.org/1.jpg", "key": "000000000", "exif": "{}"}
    described = json.dumps({**row, "width": 8, "error_message": None}).encode()
    write_tar(tars / "00000.tar", {"000.png": png("red"), "000.txt": b"a red square", "000.json": described})
    (tars / "00000.parquet").write_bytes(b"not read")
    write_pictures(files, "00000/blue.png")
    (files / "00000/blue.json").write_bytes(described)
    (files / "00000.parquet").write_bytes(b"not read")

    assert [kind_of(folder)[0] for folder in (tars, files)] == ["webdataset", "folder"]
    assert index(empty, [tars, files]) == Report(added=2)

    item = empty.find((files / "00000/blue.png").as_uri())
    assert item.text == empty.find(f"tar:{tars}/00000.tar#000.png").text == "a red square"
    assert (item.metadata["url"], item.metadata["key"]) == (row["url"], "000000000")
    assert index(empty, [tars, files]) == Report(unchanged=2)


def test_a_tar_of_many_members_is_read_in_flat_memory(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s.tar", {f"{n:05}.txt": b"words" for n in range(3000)})
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(path, Reading())) == 3000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 500_000  # 3,000 headers kept would be over a megabyte
