"""One uri that comes twice in a run: what is the same is one item, what is not is told."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow as pa
from making import png, write_tar
from pyarrow import parquet

from engine import SearchEngine
from engine.pictures import file_uri
from indexer import Reading, index
from indexer.sources.found import Described, Words
from indexer.unchanged import Seen


def test_of_two_sources_with_one_uri_the_first_counts_and_the_other_is_told(
    photos: Path, tmp_path: Path, empty: SearchEngine
) -> None:
    path = tmp_path / "set.csv"
    path.write_text("path,caption\nred.png,words of a table\n", encoding="utf-8")
    uri = file_uri(photos / "red.png")

    for _ in range(2):  # the same again, not once this way and once that
        report = index(empty, [path, photos], reading=Reading(photos))
        assert report.failed == {
            uri: "this uri came before in this run with other words, and the first one counts; "
            "leave one of the two out, or give each a uri of its own"
        }
        assert (empty.find(uri).text, len(empty)) == ("words of a table", 8)
    assert index(empty, [photos, photos / "red.png", f"{photos}/*.png"]).failed == {}


def test_two_tables_with_one_uri_and_other_pictures_are_told(tmp_path: Path, empty: SearchEngine) -> None:
    url = "https://example.org/1.png"
    first, second, same = (tmp_path / f"{name}.parquet" for name in ("first", "second", "same"))
    for path, color in ((first, "red"), (second, "blue"), (same, "red")):
        parquet.write_table(pa.table({"url": [url], "image": [png(color)], "caption": ["one"]}), path)

    for _ in range(2):
        report = index(empty, [first, second, same])
        assert report.failed == {
            url: "this uri came before in this run with another picture, and the first one counts; "
            "leave one of the two out, or give each a uri of its own"
        }
        assert report.added + report.unchanged == 2
    assert empty.search("red", k=1)[0].item.uri == url


def test_a_name_that_a_tar_has_twice_is_told_unless_both_are_one_picture(
    tmp_path: Path, empty: SearchEngine
) -> None:
    path = write_tar(tmp_path / "s.tar", {"a.png": png("red"), "b.png": png("blue")})
    write_tar(path, {"a.png": png("green"), "b.png": png("blue")}, "a")

    report = index(empty, [path])

    assert (report.added, report.unchanged, list(report.failed)) == (2, 1, [f"tar:{path}#a.png"])
    assert "with another picture, and the first one counts" in report.failed[f"tar:{path}#a.png"]


def test_each_aspect_that_differs_is_told(photos: Path, tmp_path: Path, empty: SearchEngine) -> None:
    (photos / "blue.txt").write_text("words beside", encoding="utf-8")
    bare, more = tmp_path / "bare.csv", tmp_path / "more.csv"
    bare.write_text("path\nred.png\nblue.png\n", encoding="utf-8")
    more.write_text("path,caption,year\nred.png,words,2020\n", encoding="utf-8")

    failed = index(empty, [bare, more, photos], reading=Reading(photos)).failed

    assert "with other words and other metadata, and" in failed.pop(file_uri(photos / "red.png"))
    assert "with other words, and" in failed.pop(file_uri(photos / "blue.png"))  # those of its text file
    assert failed == {}


def test_the_uris_of_a_run_are_not_held_in_memory() -> None:
    seen = Seen()
    tracemalloc.start()
    try:
        for n in range(20_000):
            assert seen.again(Words(f"row:{n}", Described((f"words {n}",)))) is None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000  # a dictionary of them takes 2 MB
    assert seen.again(Words("row:7", Described(("words 7",)))) == ()
    assert seen.again(Words("row:7", Described(("other words",)))) == ("words",)
