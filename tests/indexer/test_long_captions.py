"""Captions that are too long: the picture is kept without them, and the report says what was left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from making import png, write_pictures, write_tar

from engine import SearchEngine
from engine.ingest import MAX_TEXT
from indexer import index
from indexer.sources.sidecars import MAX_SIDECAR_BYTES
from indexer.sources.webdataset import MAX_WORDS_BYTES

LONG = "x" * 1_048_576


def test_a_picture_is_kept_without_the_caption_of_a_megabyte(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png", "blue.png")
    rows = [{"image": "red.png", "caption": LONG, "year": 2020}, {"image": "blue.png", "caption": "short"}]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    red = (tmp_path / "red.png").as_uri()

    report = index(empty, [path])

    assert report.added == 2
    assert report.failed == {
        red: "indexed without 1 of 1 captions: one has 1,048,576 characters, the limit of all together is "
        "1,000,000; shorten it and index again"
    }
    assert (empty.find(red).text, empty.find(red).metadata["year"]) == (None, 2020)
    again = index(empty, [path])
    assert (again.unchanged, again.failed) == (2, report.failed)  # it is told as long as it is so


def test_captions_that_fit_are_kept_beside_one_that_does_not(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png")
    captions = ["first", "y" * (MAX_TEXT - 10), LONG, "last"]  # with their line ends exactly what fits
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"image": "red.png", "captions": captions}), encoding="utf-8")

    report = index(empty, [path])

    red = (tmp_path / "red.png").as_uri()
    assert empty.find(red).text == f"first\n{captions[1]}"
    assert report.failed[red].startswith("indexed without 2 of 4 captions: one has 1,048,576 characters")


@pytest.mark.parametrize("suffix", ["txt", "json", "cls"])
@pytest.mark.parametrize(("name", "mode"), [("set.tar", "w"), ("set.tar.gz", "w:gz")])
def test_words_of_a_tar_that_are_too_long_are_told_and_their_picture_is_kept(
    tmp_path: Path, empty: SearchEngine, name: str, mode: str, suffix: str
) -> None:
    large = bytes(MAX_WORDS_BYTES + 1)
    path = write_tar(tmp_path / name, {"a.png": png("red"), f"a.{suffix}": large, "b.mp4": large}, mode)

    report = index(empty, [path])

    assert report.added == 1
    assert report.failed == {
        f"tar:{path}#a.{suffix}": "left out, for it has 8,388,609 bytes and at most 8,388,608 are read; "
        "a picture of its key is indexed without it; shorten it",
        f"tar:{path}#b": "neither a picture nor a caption",
    }


def test_a_caption_file_that_is_too_long_says_what_to_do(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png")
    (tmp_path / "red.txt").write_text("x" * (MAX_SIDECAR_BYTES + 1), encoding="utf-8")

    report = index(empty, [tmp_path])

    assert report.failed[(tmp_path / "red.png").as_uri()].endswith(
        "at most 65,536 are read; shorten it, or give it another name if it does not describe the picture"
    )
