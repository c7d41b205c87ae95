"""The commands that write: `index` and `remove`, on files as people have them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command import CPU, invoke, respect_modes, run
from PIL import Image

from engine.pictures import file_uri

NEW = ("--model", "color", *CPU)


def test_the_report_is_on_stdout_and_the_bar_on_stderr(tmp_path: Path, gallery: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (5, 5), "red").save(folder / "red.png")
    for n in range(23):
        (folder / f"bad-{n:02}.png").write_bytes(b"")

    ran = run("index", folder, "--gallery", gallery, *NEW, cwd=folder)

    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0].startswith("1 added, 0 updated, 0 unchanged, 23 failed in ")
    assert lines[1:] == ["failed 23: bad-00.png, bad-01.png, bad-02.png and 20 more: the file is empty"]
    assert "24/24" in ran.err and "/s" in ran.err


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"[bold]loud[red].png", "[bold]loud[red].png"),
        (b"bell\x07 and \x1b[31mred.png", r"bell\x07 and \x1b[31mred.png"),
        (b"caf\xe9.png", r"caf\xe9.png"),
        ("a\u202egnp.jpg".encode(), r"a\u202egnp.jpg"),  # turns what follows it around
    ],
)
def test_names_are_shown_escaped_and_never_obeyed(
    tmp_path: Path, gallery: Path, name: bytes, shown: str
) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    path = folder / os.fsdecode(name)
    Image.new("RGB", (5, 5), "red").save(folder / "plain.png")
    (folder / "plain.png").rename(path)
    bad = folder / os.fsdecode(b"bad" + name)
    bad.write_bytes(b"")

    indexed = invoke("index", folder, "--gallery", gallery, *NEW)
    found = invoke("search", "red", "--gallery", gallery, *CPU)
    removed = invoke("remove", path, "--gallery", gallery, "--json")

    assert (indexed.code, found.code) == (0, 0)
    assert f"bad{shown}: the file is empty" in indexed.out
    assert found.out.splitlines()[1].endswith(shown)
    assert removed.document == {"removed": 1}


def test_a_terminal_without_unicode_is_no_reason_to_crash(tmp_path: Path, gallery: Path) -> None:
    path = tmp_path / "höhe ☃.png"
    Image.new("RGB", (5, 5), "red").save(path)

    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    indexed = run("index", path, "--gallery", gallery, *NEW, env=ascii_only)
    found = run("search", "red", "--gallery", gallery, *CPU, env=ascii_only)

    assert (indexed.code, found.code) == (0, 0)
    assert r"h\xf6he \u2603.png" in found.out


def test_remove_takes_paths_and_uris_all_or_none(photos: Path, gallery: Path) -> None:
    invoke("index", photos, "--gallery", gallery, *NEW)
    missing = invoke("remove", photos / "red.png", photos / "gone.png", "--gallery", gallery, "--json")
    both = invoke("remove", photos / "red.png", file_uri(photos / "blue.png"), "--gallery", gallery, "--json")
    hits = invoke("search", "red", "--gallery", gallery, *CPU, "--json").document["hits"]

    assert (missing.code, missing.document["error"]["kind"]) == (1, "ItemNotFound")
    assert both.document == {"removed": 2}
    assert {hit["uri"] for hit in hits}.isdisjoint(
        {file_uri(photos / "red.png"), file_uri(photos / "blue.png")}
    )
    assert len(hits) == 6
    assert (photos / "red.png").is_file()


def test_a_folder_without_permission_is_reported_and_the_rest_goes_on(photos: Path, gallery: Path) -> None:
    locked = photos / "locked"
    locked.mkdir()
    Image.new("RGB", (5, 5), "pink").save(locked / "pink.png")
    locked.chmod(0)
    (photos / "red.png").chmod(0)
    try:
        ran = run("index", photos, "--gallery", gallery, *NEW, "--json", before=respect_modes)
    finally:
        locked.chmod(0o700)

    assert (ran.code, ran.document["added"]) == (0, 7)
    assert ran.document["failed"] == {
        locked.as_uri(): "the folder cannot be read: permission denied",
        file_uri(photos / "red.png"): "cannot be read: Permission denied",
    }


def test_a_gallery_where_one_may_not_write_is_a_clear_error(photos: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    gallery = closed / "new.gallery"
    ran = run("index", photos, "--gallery", gallery, *NEW, "--json", before=respect_modes)

    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert str(gallery) in ran.document["error"]["message"]


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path, gallery: Path) -> None:
    (tmp_path / "nothing").mkdir()

    ran = invoke("index", tmp_path / "nothing", "--gallery", gallery, *NEW)

    assert ran.code == 0
    assert "1 failed" in ran.out
    assert "nothing: there is no picture in it or below; name tars and tables themselves" in ran.out


def test_a_gallery_is_told_which_recall_its_index_is_to_reach(
    tmp_path: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.index.autopilot.FLAT_LIMIT", 1000)
    lines = [json.dumps({"caption": f"w{n % 97} v{n % 53} u{n % 31} red"}) for n in range(1500)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))

    assert invoke("index", tmp_path / "texts.jsonl", "-g", gallery, *NEW).code == 0
    usual = " ".join(invoke("info", "-g", gallery).out.split())
    assert invoke("index", tmp_path / "texts.jsonl", "-g", gallery, "--recall", "0.7", *CPU).code == 0
    less = " ".join(invoke("info", "-g", gallery).out.split())
    wrong = invoke("index", tmp_path / "texts.jsonl", "-g", gallery, "--recall", "99", *CPU)

    assert "hnsw, 1,500 items, recall@10 " in usual and " measured, 0.99 wanted (" in usual
    assert "hnsw, 1,500 items, recall@10 " in less and " measured, 0.7 wanted (" in less
    assert (wrong.code, "a recall of 99 cannot be reached" in wrong.err) == (1, True)
