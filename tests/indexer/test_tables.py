"""Tables: which column is what, typed values, texts alone, and rows that cannot be read."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from making import png, write_pictures
from pyarrow import parquet

from engine import BadInput, Report, SearchEngine
from indexer import Reading, index, parse_columns
from indexer.sources import check_sources, read
from indexer.sources.found import PictureFile


def write_lines(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def metadata(engine: SearchEngine, uri: str) -> dict[str, Any]:
    """An item's metadata without what the picture gives by itself."""
    measured = ("name", "folder", "width", "height", "format")
    return {name: value for name, value in engine.find(uri).metadata.items() if name not in measured}


def test_a_csv_gives_pictures_with_captions_and_typed_columns(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path / "img", "red.png", "blue.png")
    path = write_lines(
        tmp_path / "set.csv",
        "file_name,caption,year,price,public,code,note",
        'img/red.png,"a red one, square",2020,1.5,true,007,',
        "img/blue.png,a blue one,2021,2,false,12,seen",
    )

    assert index(empty, [path]) == Report(added=2)

    red, blue = ((tmp_path / f"img/{color}.png").as_uri() for color in ("red", "blue"))
    assert empty.find(red).text == "a red one, square"
    assert metadata(empty, red) == {"year": 2020, "price": 1.5, "public": True, "code": "007"}
    assert metadata(empty, blue) == {"year": 2021, "price": 2, "public": False, "code": "12", "note": "seen"}
    assert [hit.item.uri for hit in empty.search("red", filter="year = 2020 and public = true")] == [red]
    assert index(empty, [path]) == Report(unchanged=2)


def test_a_tsv_of_texts_alone(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_lines(tmp_path / "set.tsv", "text\tlang", 'a "red" thing\ten', "etwas Blaues\tde")

    assert index(empty, [path]).added == 2
    item = empty.find(f"row:{path}#2")
    assert (item.kind, item.metadata["lang"]) == ("text", "en")
    assert index(empty, [path]) == Report(unchanged=2)


def test_rows_of_one_picture_are_one_item_with_all_captions(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png", "blue.png")
    path = write_lines(
        tmp_path / "results.csv",
        "image,caption",
        "red.png,one",
        "red.png,two",
        "blue.png,three",
        "red.png,four",
    )

    report = index(empty, [path])

    uri = (tmp_path / "red.png").as_uri()
    assert (report.added, empty.find(uri).text) == (2, "one\ntwo")
    assert "came before in this run" in report.failed[uri]  # of the row that stands apart


def test_columns_can_be_named(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path / "photos", "red.png")
    path = write_lines(tmp_path / "set.csv", "foto,titel,caption", "red.png,der rote,en")
    columns = parse_columns("uri=foto, caption=titel")

    index(empty, [path], reading=Reading(tmp_path / "photos", columns))

    item = empty.find((tmp_path / "photos/red.png").as_uri())
    assert (item.text, item.metadata["caption"]) == ("der rote", "en")


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("file,title", {"caption": "titel"}, r"set\.csv has no column 'titel'; it has 'title'"),
        (
            "a,b",
            {},
            r"no column for a picture or a caption, only 'a', 'b'; .*--columns uri=NAME,caption=NAME",
        ),
        ("", {}, r"set\.csv is empty; its first line must name the columns"),
    ],
)
def test_a_table_without_the_columns_is_refused_before_anything_is_read(
    tmp_path: Path, header: str, columns: dict[str, str], message: str
) -> None:
    path = write_lines(tmp_path / "set.csv", header, "x,y")
    path.write_text(f"{header}\nx,y\n" if header else "", encoding="utf-8")

    with pytest.raises(BadInput, match=message):
        check_sources([path], Reading(columns=columns))


@pytest.mark.parametrize("text", ["caption", "titel=x", "uri=", "uri=a,,"])
def test_columns_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"--columns has .*; write uri=NAME, picture=NAME, caption=NAME"):
        parse_columns(text)


def test_bad_rows_are_named_by_their_line_and_the_rest_goes_on(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png", "blue.png")
    path = tmp_path / "set.csv"
    path.write_bytes(
        b"path,caption\nred.png,one\nred.png,two,three\ngone.png,x\n\xff\xfe\xe9.png,x\n"
        b"https://example.org/a.png,web\n,\nblue.png,\xc3\xa9t\xc3\xa9\n"
    )

    report = index(empty, [path])

    assert (report.added, empty.find((tmp_path / "blue.png").as_uri()).text) == (2, "été")
    assert report.failed == {
        f"row:{path}#3": "line 3 has 3 fields, the header names 2",
        (tmp_path / "gone.png").as_uri(): "no such file",
        f"row:{path}#5": "line 5 is not UTF-8 text",
        "https://example.org/a.png": "the picture is on the web, and nothing is fetched; "
        "fetch it first (img2dataset)",
        f"row:{path}#7": "neither a picture nor a caption",
    }


def test_a_csv_in_utf16_is_read(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_lines(tmp_path / "set.csv", "caption", "été", encoding="utf-16")

    assert index(empty, [path]).added == 1
    assert empty.find(f"row:{path}#2").text == "été"


def test_a_column_that_changes_type_fails_its_own_rows(tmp_path: Path, empty: SearchEngine) -> None:
    rows = [
        {"text": "one", "year": 2020},
        {"text": "two", "year": "about 2020"},
        {"text": "three", "year": 2022},
    ]
    path = write_lines(tmp_path / "set.jsonl", *(json.dumps(row) for row in rows))

    report = index(empty, [path])

    assert report.added == 2
    assert "metadata 'year' is a text ('about 2020') here and a number" in report.failed[f"row:{path}#2"]


def test_a_caption_of_a_megabyte_fails_with_the_limit(tmp_path: Path, empty: SearchEngine) -> None:
    long = "x" * 1_048_576
    csv = write_lines(tmp_path / "set.csv", "caption", long, "short")
    lines = write_lines(
        tmp_path / "set.jsonl", json.dumps({"caption": long}), json.dumps({"caption": "small"})
    )

    report = index(empty, [csv, lines])

    assert report.added == 2
    assert set(report.failed.values()) == {
        "the text has 1,048,576 characters, the limit is 1,000,000; split it"
    }


def test_a_jsonl_line_that_is_not_json_is_named_by_its_number(tmp_path: Path, empty: SearchEngine) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(
        b'{"caption": "a"}\n\n{"caption": \n["b"]\n{"caption": "\xe9"}\n{"caption": 5}\n{"caption": "c"}\n'
    )

    report = index(empty, [path])

    assert report.added == 2
    reasons = [report.failed[f"row:{path}#{number}"] for number in (3, 4, 5, 6)]
    assert reasons[0].startswith("line 3: not JSON: Expecting value")
    assert reasons[1:] == [
        "line 4: expected an object, this is a list",
        "line 5 is not UTF-8 text",
        'line 6: "captions" must be a list of texts',
    ]


@pytest.mark.parametrize("name", ["../gold.png", "/etc/hostname", "a/../../gold.png", "file:///etc/hostname"])
def test_a_row_cannot_reach_out_of_the_folder_of_pictures(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path, "gold.png")
    write_pictures(tmp_path / "in", "red.png")
    path = write_lines(
        tmp_path / "in/set.jsonl", json.dumps({"image": name}), json.dumps({"image": "red.png"})
    )

    outside, red = read(path, Reading())

    assert outside.uri == f"row:{path}#1" and isinstance(red, PictureFile)
    with pytest.raises(AttributeError, match="path"):
        _ = outside.path  # type: ignore[union-attr]
    assert "lies outside" in outside.reason and "give --images" in outside.reason  # type: ignore[union-attr]
    (allowed, _) = read(path, Reading(images=Path("/")))
    assert isinstance(allowed, PictureFile) == name.startswith(("/", "file:"))


def test_a_parquet_gives_pictures_from_its_cells_and_nested_columns_as_json(
    tmp_path: Path, empty: SearchEngine
) -> None:
    path = tmp_path / "set.parquet"
    table = {
        "image": [{"bytes": png("red"), "path": "r.png"}, {"bytes": png("blue"), "path": None}, None],
        "url": ["https://example.org/r.png", None, None],
        "caption": ["a red one", None, "words alone"],
        "tags": [["a", "b"], [], None],
        "place": [{"city": "Oslo", "at": date(2020, 1, 2)}, None, None],
        "day": [date(2020, 1, 2), None, None],
        "score": [1.5, float("nan"), None],
        "id": [1, 2, 3],
    }
    parquet.write_table(pa.table(table), path)

    assert index(empty, [path]) == Report(added=3)

    assert empty.find("https://example.org/r.png").text == "a red one"
    assert metadata(empty, "https://example.org/r.png") == {
        "tags": '["a", "b"]',
        "place": '{"city": "Oslo", "at": "2020-01-02"}',
        "day": "2020-01-02",
        "score": 1.5,
        "row_id": 1,
    }
    assert metadata(empty, f"row:{path}#2") == {"tags": "[]", "row_id": 2}
    assert empty.find(f"row:{path}#3").kind == "text"
    assert empty.search("blue", k=1)[0].item.uri == f"row:{path}#2"
    assert index(empty, [path]) == Report(unchanged=3)


def test_a_parquet_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    parquet.write_table(pa.table({"caption": ["a"]}), path)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(BadInput, match=r"set\.parquet is no whole Parquet file"):
        check_sources([path])


def test_a_text_may_have_a_uri_of_its_own(tmp_path: Path, empty: SearchEngine) -> None:
    path = write_lines(tmp_path / "set.jsonl", '{"uri": "doc:1", "text": "red words"}')

    assert index(empty, [path]).added == 1
    assert empty.find("doc:1").text == "red words"


def test_hostile_json_costs_its_own_rows(tmp_path: Path, empty: SearchEngine) -> None:
    rows = [
        '{"caption": "a", "n": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"uri": "\\ud800.png", "caption": "b"}',
        '{"uri": "x\\u0000.png", "caption": "c"}',
        '{"caption": "d", "n": 1' + "0" * 400 + "}",
        '{"caption": "e", "\\ud800": 1}',
        '{"caption": "f", "n": 1e999}',
        '{"caption": "g", "id": 1}',
    ]
    path = write_lines(tmp_path / "set.jsonl", *rows)

    report = index(empty, [path])

    assert (report.added, empty.find(f"row:{path}#7").text) == (1, "g")
    reasons = {
        1: "line 1: not JSON: maximum recursion depth exceeded",
        2: "line 2: '\\ud800.png' is no valid Unicode text",
        3: "'x\\x00.png' is no file name",
        4: "metadata 'n' is over 9,223,372,036,854,775,807; keep such a number as text",
        5: "'\\ud800' is not valid Unicode text",
        6: "metadata 'n' is inf; only finite numbers fit",
    }
    for number, reason in reasons.items():
        assert report.failed[f"row:{path}#{number}"].startswith(reason)


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "set.csv", "caption,year,year", "a,1,2")

    with pytest.raises(BadInput, match=r"set\.csv has the column 'year' twice; rename one"):
        check_sources([path])


def test_a_picture_that_is_here_goes_before_where_it_came_from(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png")
    path = write_lines(tmp_path / "set.csv", "url,image", "https://example.org/1.png,red.png")

    assert index(empty, [path]) == Report(added=1)
    assert metadata(empty, (tmp_path / "red.png").as_uri()) == {"url": "https://example.org/1.png"}
