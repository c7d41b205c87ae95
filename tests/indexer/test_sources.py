"""Sources: what a walk finds, in which order, and what it says of what it cannot read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from PIL import Image

from engine import BadInput
from indexer import Reading
from indexer.sources import check_sources, read_all
from indexer.sources.folder import walk
from indexer.sources.found import PictureFile, Unreadable
from indexer.sources.sidecars import MAX_SIDECAR_BYTES, read_sidecars


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "red").save(path)
    return path


def names(*sources: Path) -> list[str]:
    return [found.path.name for found in walk(sources) if isinstance(found, PictureFile)]


def unreadable(*sources: Path) -> dict[str, str]:
    return {found.uri: found.reason for found in walk(sources) if isinstance(found, Unreadable)}


def test_a_folder_is_walked_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.png", "a.jpg", "c.png"):
        picture(tmp_path / name)

    assert names(tmp_path) == ["a.jpg", "10.png", "2.png", "c.png"]


def test_every_picture_suffix_counts_whatever_its_case_and_nothing_else(tmp_path: Path) -> None:
    taken = ["a.jpg", "b.JPEG", "c.PNG", "d.webp", "e.gif", "f.bmp", "g.tif", "h.TIFF"]
    for name in (*taken, "notes.txt", "film.mp4", "png", "archive.tar"):
        (tmp_path / name).write_bytes(b"x")

    assert names(tmp_path) == taken


def test_hidden_names_and_galleries_are_skipped(tmp_path: Path) -> None:
    picture(tmp_path / "seen.png")
    picture(tmp_path / ".hidden.png")
    picture(tmp_path / ".folder/x.png")
    picture(tmp_path / "demo.gallery/thumbs/x.png")
    picture(tmp_path / "elsewhere/uploads/x.png")
    (tmp_path / "elsewhere/gallery.db").write_bytes(b"")

    assert names(tmp_path) == ["seen.png"]


def test_a_file_is_a_source_of_its_own_whatever_its_suffix(tmp_path: Path) -> None:
    named_oddly = picture(tmp_path / "scan.png").rename(tmp_path / "scan.picture")

    assert names(named_oddly) == ["scan.picture"]


def test_a_loop_of_links_ends_and_a_folder_is_entered_once(tmp_path: Path) -> None:
    picture(tmp_path / "real/x.png")
    (tmp_path / "real/up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "real")

    assert names(tmp_path) == ["x.png"]
    assert names(tmp_path, tmp_path / "real") == ["x.png"]


def test_a_broken_link_is_reported_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    picture(tmp_path / "a.png")
    picture(tmp_path / "c.png")

    found = list(walk([tmp_path]))

    assert [isinstance(one, Unreadable) for one in found] == [False, True, False, True]
    assert found[1] == Unreadable((tmp_path / "b.png").as_uri(), f"a broken link to {tmp_path / 'gone.png'}")
    assert unreadable(tmp_path)[(tmp_path / "loop.png").as_uri()].startswith("a broken link to")


def test_a_name_that_is_not_utf8_gets_a_uri_that_brings_its_bytes_back(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(b"x")

    (found,) = walk([tmp_path])

    assert found.uri.isascii()
    assert unquote_to_bytes(found.uri.removeprefix("file://")) == raw


def test_a_source_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file or folder: .*nowhere"):
        check_sources([tmp_path, tmp_path / "nowhere"])


def test_size_and_time_are_those_of_the_file(tmp_path: Path) -> None:
    path = picture(tmp_path / "x.png")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))

    (found,) = walk([tmp_path])

    assert isinstance(found, PictureFile)
    assert (found.size, found.mtime_ns) == (path.stat().st_size, 1_700_000_000_123_456_789)


def test_a_text_file_of_the_same_name_is_the_caption(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / name)
    (tmp_path / "a.txt").write_text("\ufeffa red dot\n\n  on a page \n", encoding="utf-8")
    (tmp_path / "b.png.txt").write_text("two", encoding="utf-8")

    beside = [found.sidecars for found in walk([tmp_path]) if isinstance(found, PictureFile)]

    assert beside == [(tmp_path / "a.txt",), (tmp_path / "b.png.txt",), ()]
    assert read_sidecars((tmp_path / "a.txt",)).captions == ("a red dot", "on a page")


def test_a_caption_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x" * (MAX_SIDECAR_BYTES + 1), encoding="utf-8")

    with pytest.raises(BadInput, match=r"a\.txt beside the picture has 65,537 bytes; at most 65,536"):
        read_sidecars((path,))


def test_count_is_the_number_of_things_a_walk_finds(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")

    _, extent = read_all([tmp_path], Reading())

    assert extent.total == len(list(walk([tmp_path]))) == 2
