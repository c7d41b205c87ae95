"""Sources of many files: patterns, folders of shards, and sources in which there is nothing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from making import png, write_json, write_pictures, write_tar
from pyarrow import parquet

from engine import BadInput, Report, SearchEngine
from indexer import index
from indexer.captioned import captioned_pictures
from indexer.sources import kind_of


def test_a_pattern_names_files_of_every_kind_that_is_read(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path / "set", "red.png", "deep/blue.png", ".hidden/red.png")
    write_tar(tmp_path / "set/1.tar", {"a.png": png("lime")})
    write_tar(tmp_path / "set/2.tgz", {"a.png": png("pink")}, "w:gz")
    (tmp_path / "set/deep/texts.csv").write_text("caption\nwords\n", encoding="utf-8")
    (tmp_path / "set/notes.txt").write_text("not asked for", encoding="utf-8")
    (tmp_path / "set/red.json").write_text('{"caption": "a red one"}', encoding="utf-8")

    assert index(empty, [f"{tmp_path}/set/**/*"]) == Report(added=5)

    names = ("1.tar#a.png", "2.tgz#a.png")
    assert all(empty.find(f"tar:{tmp_path}/set/{name}").kind == "image" for name in names)
    assert empty.find(f"row:{tmp_path}/set/deep/texts.csv#2").text == "words"
    assert empty.find((tmp_path / "set/red.png").as_uri()).text == "a red one"


@pytest.mark.parametrize("source", ["*.tar", "*.csv", "{1..3}.csv"])
def test_one_bad_file_of_many_costs_itself_alone(tmp_path: Path, empty: SearchEngine, source: str) -> None:
    for number in (1, 3):
        write_tar(tmp_path / f"{number}.tar", {"a.png": png("red", number)})
        (tmp_path / f"{number}.csv").write_text(f"caption\nwords {number}\n", encoding="utf-8")
    (tmp_path / "2.tar").write_bytes(b"no tar" * 512)
    (tmp_path / "2.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    bad = (tmp_path / f"2.{source[-3:]}").as_uri()

    report = index(empty, [f"{tmp_path}/{source}"])

    assert (report.added, list(report.failed)) == (2, [bad])
    assert "is no whole tar" in report.failed[bad] or "no column for a picture" in report.failed[bad]


def test_the_parquet_files_of_img2dataset_are_read_from_their_folder(
    tmp_path: Path, empty: SearchEngine
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    address = "https://example.org/{}.jpg"
    for shard, colors in enumerate((("red", "blue"), ("lime", None))):
        table = {
            "url": [address.format(color) for color in colors],
            "caption": [f"a {color} one" for color in colors],
            "key": [f"{shard:05}{n:04}" for n in range(2)],
            "status": ["success" if color else "failed_to_download" for color in colors],
            "jpg": [png(color) if color else None for color in colors],
        }
        parquet.write_table(pa.table(table), folder / f"{shard:05}.parquet")
        write_json(folder / f"{shard:05}_stats.json", {"count": 2})

    report = index(empty, [folder])

    assert kind_of(folder) == ("table", str(folder))
    assert report.added == 3
    assert list(report.failed) == [address.format(None)]
    red = empty.find(address.format("red"))
    assert (red.text, red.metadata["key"]) == ("a red one", "000000000")
    assert empty.search("lime", k=1)[0].item.uri == address.format("lime")
    assert index(empty, [folder]).unchanged == 3
    assert index(empty, [f"{folder}/*.parquet", f"table:{folder}"]).unchanged == 6


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("set", "there is no picture in it or below; name tars and tables themselves, or as in"),
        ("set/*.tar", "no picture, tar or table matches it; a pattern is quoted"),
        ("set.csv", "there is no picture and no text in it"),
        ("set.tar", "there is no picture and no text in it"),
    ],
)
def test_a_source_in_which_there_is_nothing_says_so(
    tmp_path: Path, empty: SearchEngine, source: str, reason: str
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/film.mp4").write_bytes(b"x")
    (tmp_path / "set.csv").write_text("caption\n", encoding="utf-8")
    write_tar(tmp_path / "set.tar", {})
    photos = write_pictures(tmp_path / "photos", "red.png")

    report = index(empty, [tmp_path / source, photos])

    assert report.added == 1
    assert [of.startswith(reason) for of in report.failed.values()] == [True]
    assert list(report.failed) == [(tmp_path / source).as_uri()]


def test_a_damaged_tar_of_a_pattern_measures_nothing(tmp_path: Path) -> None:
    write_tar(tmp_path / "1.tar", {"a.png": png("red"), "a.txt": b"red"})
    (tmp_path / "2.tar").write_bytes(b"no tar" * 512)

    with pytest.raises(BadInput, match=r"2\.tar is no whole tar"):
        list(captioned_pictures(f"{tmp_path}/*.tar"))
