"""Running again: what moved, what is gone, what is said no more, and disks that are not there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from making import png, write_pictures, write_tar
from PIL import Image, ImageDraw, ImageFont

from engine import BadInput, ItemNotFound, Report, SearchEngine
from engine.pictures import file_uri
from indexer import index


def test_moved_files_keep_their_ids(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    ids = {name: empty.find(file_uri(photos / f"{name}.png")).id for name in ("red", "blue")}
    (photos / "warm").mkdir()
    (photos / "red.png").rename(photos / "warm/rouge.png")
    (photos / "blue.png").rename(photos / "azure.png")
    (photos / "azure.txt").write_text("now with words", encoding="utf-8")

    report = index(empty, [photos], sync=True)

    assert report == Report(unchanged=6, moved=2)
    assert empty.find(file_uri(photos / "warm/rouge.png")).id == ids["red"]
    azure = empty.find(file_uri(photos / "azure.png"))
    assert (azure.id, azure.text, azure.metadata["name"]) == (ids["blue"], "now with words", "azure.png")
    assert index(empty, [photos], sync=True) == Report(unchanged=8)


def test_a_folder_that_was_renamed_moves_as_a_whole(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    renamed = photos.rename(photos.with_name("pictures"))

    assert index(empty, [renamed]) == Report(moved=8)
    assert len(empty) == 8


def test_a_tar_that_was_renamed_keeps_the_ids_of_its_pictures(tmp_path: Path, empty: SearchEngine) -> None:
    members = {"a.png": png("red"), "a.txt": b"words", "b.png": png("blue"), "twin.png": png("red")}
    before = write_tar(tmp_path / "before.tar", members)
    index(empty, [before])
    ids = {name: empty.find(f"tar:{before}#{name}.png").id for name in ("a", "b", "twin")}
    after = before.rename(tmp_path / "after.tar")

    assert index(empty, [after], sync=True) == Report(moved=3)

    assert {name: empty.find(f"tar:{after}#{name}.png").id for name in ids} == ids
    assert (len(empty), empty.find(f"tar:{after}#a.png").text) == (3, "words")
    assert empty.open_picture(ids["b"] or 0) == png("blue")  # from its new place
    assert index(empty, [after], sync=True) == Report(unchanged=3)


def test_a_tar_that_is_still_there_was_copied(tmp_path: Path, empty: SearchEngine) -> None:
    before = write_tar(tmp_path / "before.tar", {"a.png": png("red")})
    index(empty, [before])
    after = tmp_path / "after.tar"
    after.write_bytes(before.read_bytes())

    assert index(empty, [after], sync=True) == Report(added=1)


def test_a_copy_is_another_item(photos: Path, empty: SearchEngine) -> None:
    index(empty, [photos])
    (photos / "again.png").write_bytes((photos / "red.png").read_bytes())

    assert index(empty, [photos]) == Report(added=1, unchanged=8)


def test_sync_removes_what_is_gone_from_the_folder_and_nothing_else(
    photos: Path, tmp_path: Path, empty: SearchEngine
) -> None:
    other = write_pictures(tmp_path / "photos2", "pink.png")
    index(empty, [photos, other])
    for path in (photos / "red.png", photos / "blue.png", other / "pink.png"):
        path.unlink()

    assert index(empty, [photos]) == Report(unchanged=6)  # without --sync nothing leaves
    assert index(empty, [photos], sync=True) == Report(unchanged=6, removed=2)

    with pytest.raises(ItemNotFound, match="no item has the uri"):
        empty.find(file_uri(photos / "red.png"))
    assert empty.find(file_uri(other / "pink.png")).kind == "image"


def test_a_source_that_is_missing_or_has_become_empty_removes_nothing(
    photos: Path, empty: SearchEngine
) -> None:
    index(empty, [photos])
    away = photos.rename(photos.with_name("away"))

    with pytest.raises(BadInput, match="no such file or folder"):
        index(empty, [photos], sync=True)
    photos.mkdir()  # a mount point without its disk
    report = index(empty, [photos], sync=True)

    assert (report.removed, len(empty)) == (0, 8)
    assert "so nothing was removed" in report.failed[photos.as_uri()]
    photos.rmdir()
    away.rename(photos)
    assert index(empty, [photos], sync=True) == Report(unchanged=8)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser enters every folder")
def test_a_folder_that_cannot_be_entered_removes_nothing(photos: Path, empty: SearchEngine) -> None:
    inner = write_pictures(photos / "inner", "pink.png")
    index(empty, [photos])
    inner.chmod(0)
    try:
        report = index(empty, [photos], sync=True)
    finally:
        inner.chmod(0o755)

    assert (report.removed, len(report.failed), len(empty)) == (0, 1, 9)


def test_an_empty_folder_below_a_source_may_wait_for_a_disk_and_one_that_is_gone_does_not(
    photos: Path, empty: SearchEngine
) -> None:
    write_pictures(photos / "disk/2020", "pink.png")
    write_pictures(photos / "album", "brown.png")
    index(empty, [photos])
    for path in (photos / "disk/2020/pink.png", photos / "album/brown.png"):
        path.unlink()
        path.parent.rmdir()

    report = index(empty, [photos], sync=True)

    assert (report.unchanged, report.removed) == (8, 1)
    assert list(report.failed) == [(photos / "disk").as_uri()]
    assert empty.find(file_uri(photos / "disk/2020/pink.png")).kind == "image"
    (photos / "disk").rmdir()
    assert index(empty, [photos], sync=True) == Report(unchanged=8, removed=1)


def test_sync_of_tars(tmp_path: Path, empty: SearchEngine) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    for n, color in enumerate(("red", "blue", "green")):
        write_tar(shards / f"{n}.tar", {"a.png": png(color), "b.png": png(color, 9)})
        (shards / f"{n}_stats.json").write_text("{}", encoding="utf-8")
    index(empty, [shards])
    (shards / "0.tar").unlink()  # one gone,
    write_tar(shards / "1.tar", {"b.png": png("blue", 9)})  # one smaller,
    whole = (shards / "2.tar").read_bytes()
    (shards / "2.tar").write_bytes(whole[:1100])  # and one cut off, of which nobody knows

    report = index(empty, [shards], sync=True)

    assert report.removed == 3
    assert len(empty) == 3 and "no whole tar" in report.failed[(shards / "2.tar").as_uri()]


def test_sync_is_refused_where_nobody_can_say_what_is_gone(tmp_path: Path, empty: SearchEngine) -> None:
    path = tmp_path / "set.csv"
    path.write_text("caption\nwords\n", encoding="utf-8")

    with pytest.raises(BadInput, match=r"--sync works on folders and tars, and .*set\.csv is neither"):
        index(empty, [path], sync=True)


def test_a_sidecar_that_is_gone_takes_its_words_and_columns_with_it(
    photos: Path, empty: SearchEngine
) -> None:
    (photos / "red.txt").write_text("words", encoding="utf-8")
    (photos / "blue.json").write_text(
        json.dumps({"caption": "blue words", "place": "Oslo"}), encoding="utf-8"
    )
    index(empty, [photos])
    blue = empty.find(file_uri(photos / "blue.png"))
    assert (blue.text, blue.metadata["place"]) == ("blue words", "Oslo")
    (photos / "red.txt").unlink()
    (photos / "blue.json").unlink()

    assert index(empty, [photos]) == Report(updated=2, unchanged=6)

    blue = empty.find(file_uri(photos / "blue.png"))
    assert (blue.text, "place" in blue.metadata) == (None, False)
    assert empty.find(file_uri(photos / "red.png")).text is None


def test_a_column_that_changes_alone_is_taken(photos: Path, empty: SearchEngine) -> None:
    (photos / "blue.json").write_text('{"place": "Oslo"}', encoding="utf-8")
    index(empty, [photos])
    (photos / "blue.json").write_text('{"place": "Bergen"}', encoding="utf-8")

    assert index(empty, [photos]) == Report(updated=1, unchanged=7)
    assert empty.find(file_uri(photos / "blue.png")).metadata["place"] == "Bergen"


def test_a_wrong_value_that_is_mended_lets_in_what_was_refused_for_it(
    photos: Path, empty: SearchEngine
) -> None:
    (photos / "blue.json").write_text('{"year": "ca. 1920"}', encoding="utf-8")
    (photos / "red.json").write_text('{"year": 1931}', encoding="utf-8")
    assert list(index(empty, [photos]).failed) == [file_uri(photos / "red.png")]
    (photos / "blue.json").write_text('{"year": 1920}', encoding="utf-8")

    assert index(empty, [photos]) == Report(added=1, updated=1, unchanged=6)
    assert empty.listing.count("year < 1930") == 1


def test_what_a_table_says_goes_before_what_the_picture_says(tmp_path: Path, empty: SearchEngine) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x9003: "2019:07:14 09:30:00"}
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.jpg", exif=exif)
    table = tmp_path / "set.csv"
    years = []
    for year in (1850, 1850, 1851):
        table.write_text(f"path,year\na.jpg,{year}\n", encoding="utf-8")
        report = index(empty, [table])
        years.append((empty.find((tmp_path / "a.jpg").as_uri()).metadata["year"], report))

    assert years == [(1850, Report(added=1)), (1850, Report(unchanged=1)), (1851, Report(updated=1))]


def test_a_description_inside_a_picture_stays_when_nothing_is_beside_it(
    tmp_path: Path, empty: SearchEngine
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "words inside"
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8), "red").save(path, exif=exif)

    index(empty, [path])
    assert (empty.find(path.as_uri()).text, index(empty, [path])) == ("words inside", Report(unchanged=1))
    (tmp_path / "a.txt").write_text("words beside", encoding="utf-8")
    assert index(empty, [path]) == Report(updated=1)
    assert empty.find(path.as_uri()).text == "words beside"
    (tmp_path / "a.txt").unlink()
    assert index(empty, [path]) == Report(updated=1)
    assert empty.find(path.as_uri()).text == "words inside"


def test_a_sidecar_that_cannot_be_read_fails_its_picture_alone(photos: Path, empty: SearchEngine) -> None:
    (photos / "red.json").write_text("{", encoding="utf-8")
    (photos / "blue.json").write_text("[1]", encoding="utf-8")

    report = index(empty, [photos])

    assert report.added == 6
    assert report.failed[file_uri(photos / "red.png")].startswith("red.json: not JSON")
    assert report.failed[file_uri(photos / "blue.png")] == "blue.json: an object is expected, this is a list"


def test_globs(photos: Path, empty: SearchEngine) -> None:
    write_pictures(photos / "a/b", "pink.png")
    (photos / "a/b/notes.txt").write_text("no picture", encoding="utf-8")

    assert index(empty, [f"{photos}/**/p*"]).added == 2  # pink and purple
    assert index(empty, [f"{photos}/[rg]*.png"]).added == 2
    with pytest.raises(BadInput, match="no such folder: .*nowhere"):
        index(empty, [f"{photos}/nowhere/*.png"])


def test_text_in_pictures_is_read_when_asked_for_also_of_what_is_there(
    photos: Path, empty: SearchEngine
) -> None:
    pytest.importorskip("rapidocr")
    sign = Image.new("RGB", (300, 120), "white")
    ImageDraw.Draw(sign).text((30, 30), "BAKERY", fill="black", font=ImageFont.load_default(50))
    for path in photos.iterdir():
        path.unlink()
    sign.save(photos / "sign.png")
    assert index(empty, [photos]) == Report(added=1)
    assert index(empty, [photos], ocr=True) == Report(updated=1)
    assert empty.find(file_uri(photos / "sign.png")).ocr == "BAKERY"
    assert index(empty, [photos], ocr=True) == Report(unchanged=1)
