"""`crosslight index` with sources of several kinds, and its options for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import CPU, invoke
from PIL import Image

NEW = ("--model", "color", *CPU)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "img"
    folder.mkdir()
    for color in ("red", "blue"):
        Image.new("RGB", (8, 8), color).save(folder / f"{color}.png")
    return folder


def test_a_table_with_named_columns_and_a_folder_of_pictures(
    tmp_path: Path, images: Path, gallery: Path
) -> None:
    table = tmp_path / "set.csv"
    table.write_text("foto,titel,year\nred.png,a red one,2020\nblue.png,a blue one,2021\n", encoding="utf-8")
    named = ("--images", images, "--columns", "uri=foto,caption=titel")

    indexed = invoke("index", table, "--gallery", gallery, *named, *NEW, "--json")
    found = invoke("search", "red", "--gallery", gallery, *CPU, "--json", "--filter", "year = 2021")

    assert (indexed.code, indexed.document["added"], indexed.document["failed"]) == (0, 2, {})
    (hit,) = found.document["hits"]
    assert (hit["text"], hit["metadata"]["name"]) == ("a blue one", "blue.png")


def test_annotations_by_their_prefix(tmp_path: Path, images: Path, gallery: Path) -> None:
    document = {
        "images": [{"id": n, "file_name": f"{color}.png"} for n, color in enumerate(("red", "gone"))],
        "annotations": [{"image_id": 0, "caption": "a red one"}],
    }
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    indexed = invoke("index", f"coco:{path}", "--images", images, "--gallery", gallery, *NEW)

    lines = indexed.out.splitlines()
    assert lines[0].startswith("1 added, 0 updated, 0 unchanged, 1 failed in ")
    assert len(lines) == 2 and lines[1].endswith("gone.png: no such file")


def test_what_moved_and_what_is_gone_is_told(images: Path, gallery: Path) -> None:
    invoke("index", images, "--gallery", gallery, *NEW)
    (images / "red.png").rename(images / "rouge.png")
    (images / "blue.png").unlink()

    indexed = invoke("index", images, "--gallery", gallery, "--sync", *CPU)

    assert indexed.out.startswith("0 added, 0 updated, 0 unchanged, 1 moved, 1 removed, 0 failed in ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "no such file or folder: nowhere"),
        (("set.csv", "--columns", "caption=titel"), "set.csv has no column 'titel'; it has 'title'"),
        (("set.csv", "--columns", "titel"), "--columns has 'titel'"),
        (("set.csv", "--sync"), "--sync works on folders and tars"),
        (("coco:set.csv", "--images", "nowhere"), "no such folder of pictures: nowhere"),
    ],
)
def test_what_cannot_be_is_said_before_a_gallery_is_made(
    tmp_path: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.csv").write_text("title,text\nx,y\n", encoding="utf-8")

    failed = invoke("index", *arguments, "--gallery", gallery, *NEW)

    assert (failed.code, failed.out) == (1, "")
    assert message in failed.err
    assert not gallery.exists()


def test_failures_of_one_reason_are_told_together(tmp_path: Path, images: Path, gallery: Path) -> None:
    for n in range(5):
        (images / f"bad-{n}.png").write_bytes(b"")

    lines = invoke("index", images, "--gallery", gallery, *NEW).out.splitlines()

    assert lines[1].startswith("failed 5: ") and lines[1].endswith("bad-2.png and 2 more: the file is empty")
