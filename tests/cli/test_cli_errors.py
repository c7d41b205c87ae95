"""What goes wrong: exit code 1 and one clear message for what the user can mend, 2 for bad usage."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from command import CPU, Ran, invoke, run


def one_message(ran: Ran) -> str:
    """Check that a command failed with one message, the same in both places, and return it."""
    assert ran.code == 1
    assert "Traceback" not in ran.err
    error = ran.document["error"]
    assert ran.err.strip().splitlines()[-1] == f"error: {error['message']}"
    return f"{error['kind']}: {error['message']}"


def test_what_the_user_can_mend_is_one_message_and_exit_code_1(indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    search = ("search", "--gallery", indexed, *CPU, "--json")
    new = ("index", indexed.parent, "--gallery", tmp_path / "new.gallery", *CPU, "--json")
    cases = {
        (*search, ""): "BadInput: the query is empty",
        (*search, "word " * 65): "BadInput: the query has 65 tokens, color reads 64",
        (*search, "x" * 20_000): "BadInput: the query has 20,000 characters, the limit is 10,000",
        (*search, b"caf\xe9"): "BadInput: the query caf\\xe9 is not valid UTF-8",
        (*search, "red", "-k", "0"): "BadInput: k is 0; ask for 1 to 10,000 hits",
        (*search, "red", "-k", "1000000"): "BadInput: k is 1000000; ask for 1 to 10,000 hits",
        (*search, "--image", tmp_path / "gone.png"): "BadPicture: ",
        (*search, "--image", tmp_path / "empty.png"): "BadPicture: the file is empty",
        (*new, "--model", "nonsense"): "ModelUnavailable: no model 'nonsense'",
        ("index", tmp_path / "nowhere", *new[2:]): "BadInput: no such file or folder",
        ("index", tmp_path, "--gallery", indexed, "--model", "mini", "--json"): "GalleryMismatch: ",
        ("info", "--gallery", tmp_path / "none.gallery", "--json"): "BadInput: there is no gallery at",
        ("info", "--gallery", tmp_path, "--json"): "BadInput: there is no gallery at",
        (
            "remove",
            "file:///nowhere.png",
            "--gallery",
            indexed,
            "--json",
        ): "ItemNotFound: no item has the uri",
        ("serve", "--gallery", tmp_path / "none.gallery", "--json"): "BadInput: there is no gallery at",
        ("eval", tmp_path / "set.parquet", "--model", "color", "--json"): "BadInput: no such file",
        ("models", "pull", "nonsense", "--json"): "ModelUnavailable: no model 'nonsense'",
    }

    said = {arguments: one_message(invoke(*arguments)) for arguments in cases}

    assert {arguments: message[: len(cases[arguments])] for arguments, message in said.items()} == cases
    assert not (tmp_path / "new.gallery").exists()
    assert not (tmp_path / "none.gallery").exists()


def test_without_json_an_error_leaves_stdout_empty(tmp_path: Path) -> None:
    searched = run("search", "red", "--gallery", tmp_path / "none.gallery")
    indexed = invoke("index", tmp_path / "nowhere", "--gallery", tmp_path / "new.gallery")

    for ran, message in ((searched, "there is no gallery at"), (indexed, "no such file or folder")):
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith(f"error: {message}")
        assert len(ran.err.splitlines()) == 1


def test_bad_usage_is_exit_code_2(indexed: Path) -> None:
    cases = (
        ("search", "--gallery", indexed),
        ("search", "red", "-k", "many"),
        ("search", "red", "--kind", "sound"),
        ("index",),
        ("serve", "--port", "70000"),
        ("eval", "set.tar", "--limit", "0"),
        ("nonsense",),
        ("models", "pull"),
    )

    for ran in (run(*cases[0]), *(invoke(*arguments) for arguments in cases[1:])):
        assert (ran.code, ran.out) == (2, "")
        assert "Usage: " in ran.err


def test_a_gallery_from_a_newer_version_is_refused_and_left_alone(indexed: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.gallery"
    shutil.copytree(indexed, newer)
    with sqlite3.connect(newer / "gallery.db") as database:
        database.execute("update alembic_version set version_num = '9999'")
    database.close()
    before = (newer / "gallery.db").read_bytes()

    for arguments in (("search", "red", *CPU), ("index", tmp_path, *CPU)):
        message = one_message(invoke(*arguments, "--gallery", newer, "--json"))
        assert message.startswith("GalleryMismatch: ")
        assert "newer" in message and "upgrade" in message
    assert (newer / "gallery.db").read_bytes() == before


def test_a_database_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gallery"
    broken.mkdir()
    (broken / "gallery.db").write_bytes(b"not a database, " * 100)

    message = one_message(invoke("info", "--gallery", broken, "--json"))

    assert "is not a gallery's database" in message
