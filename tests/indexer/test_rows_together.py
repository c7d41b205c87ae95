"""Rows of one picture that stand together: what is put together, and what is told where they contradict."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from making import png, write_pictures
from pyarrow import parquet

from engine import Report, SearchEngine
from indexer import index
from indexer.captioned import captioned_pictures

URL = "https://example.org/1.png"


def write_rows(path: Path, *rows: dict[str, object]) -> Path:
    parquet.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def test_captions_come_together_and_a_column_in_which_rows_differ_is_told(
    tmp_path: Path, empty: SearchEngine
) -> None:
    write_pictures(tmp_path, "red.png", "blue.png")
    path = tmp_path / "results.csv"
    path.write_text(
        "image,caption,number,place\nred.png,one,0,\nred.png,two,1,Oslo\nblue.png,three,0,Oslo\n",
        encoding="utf-8",
    )
    uri = (tmp_path / "red.png").as_uri()

    for expected in (Report(added=2), Report(unchanged=2)):
        expected.failed[uri] = (
            "its rows differ in 'number', and the first one counts; "
            "take that out of the table, or give each row a uri of its own"
        )
        assert index(empty, [path]) == expected
    item = empty.find(uri)
    assert (item.text, item.metadata["number"], item.metadata["place"]) == ("one\ntwo", 0, "Oslo")


def test_a_second_picture_under_one_uri_is_told(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_rows(
        tmp_path / "set.parquet",
        {"url": URL, "image": png("red"), "caption": "one"},
        {"url": URL, "image": png("red"), "caption": "two"},
        {"url": URL, "image": png("blue"), "caption": "three"},
    )

    report = index(empty, [path])

    assert (report.added, empty.find(URL).text) == (1, "one\ntwo")
    assert "with another picture and other words, and the first one counts" in report.failed[URL]


def test_a_picture_is_not_lost_behind_a_text_of_its_uri(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_rows(
        tmp_path / "set.parquet",
        {"uri": "doc:1", "image": None, "caption": "one"},
        {"uri": "doc:1", "image": png("red"), "caption": "one"},
    )

    report = index(empty, [path])

    assert report.added == 1 and "with another picture, and" in report.failed["doc:1"]


def test_why_a_picture_failed_is_told_before_what_else_is_wrong_with_it(
    tmp_path: Path, empty: SearchEngine
) -> None:
    rows: list[dict[str, object]] = [
        {"url": URL, "image": b"no picture", "caption": "one", "number": n} for n in (1, 2)
    ]
    path = write_rows(tmp_path / "set.parquet", *rows, {"url": URL, "image": png("red"), "caption": "one"})

    assert index(empty, [path]).failed[URL].startswith("not a picture in a format that is read")


def test_columns_in_which_rows_differ_do_not_keep_a_set_from_being_measured(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "set.parquet",
        {"url": URL, "image": png("red"), "caption": "one", "number": 1},
        {"url": URL, "image": png("red"), "caption": "two", "number": 2},
    )

    (pair,) = captioned_pictures(path)

    assert pair.captions == ("one", "two")
