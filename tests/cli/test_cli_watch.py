"""`crosslight watch`: a real process follows a real folder; it is killed, and catches up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command import CPU, finish, invoke, start
from PIL import Image

from api.cli.watch import _pictures
from engine import EngineError, SearchEngine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "photos" / "red.png")
    return tmp_path / "photos"


@contextmanager
def watching(folder: Path, gallery: Path) -> Iterator[subprocess.Popen[bytes]]:
    options = ("--model", "color", "--debounce", "0.1", "--json", *CPU)
    with start("watch", folder, "-g", gallery, *options) as process:
        try:
            yield process
        finally:
            process.kill()


def held(gallery: Path) -> dict[str, str | None]:
    """The names of the gallery's pictures, with their captions."""
    try:
        with SearchEngine.open(gallery, read_only=True, create=False) as engine:
            hits = engine.search("red", k=100) if len(engine) else ()
            return {Path(hit.item.uri).name: hit.item.text for hit in hits}
    except EngineError:
        return {}  # it is being made


def until(true: Callable[[], bool], what: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, what()
        time.sleep(0.5)


def test_what_changes_is_indexed_again_and_a_kill_loses_nothing(folder: Path, tmp_path: Path) -> None:
    gallery = folder / "my.gallery"  # inside: what it writes must not wake it

    def expect(**names: str | None) -> None:
        expected = {f"{name}.png": text for name, text in names.items()}
        until(lambda: held(gallery) == expected, lambda: held(gallery))

    with watching(folder, gallery) as process:
        expect(red=None)
        Image.new("RGB", (40, 30), "blue").save(folder / "blue.png")
        expect(red=None, blue=None)
        (folder / "red.txt").write_text("a red card\n")
        expect(red="a red card", blue=None)
        (folder / "blue.png").unlink()
        expect(red="a red card")
        process.send_signal(signal.SIGKILL)
        process.wait()
    Image.new("RGB", (40, 30), "lime").save(folder / "lime.png")
    (folder / "red.txt").unlink()
    with watching(folder, gallery) as process:
        expect(red=None, lime=None)
        os.kill(process.pid, signal.SIGINT)
        ran = finish(process)
    assert ran.code == 0
    reports = json.loads("[" + ran.out.replace("}\n{", "},{") + "]")
    assert [report["added"] for report in reports] == [1]


def test_a_new_folder_is_looked_at_once_there_is_a_picture_in_it(folder: Path) -> None:
    (folder / "new").mkdir()

    assert _pictures(folder / "new") == []
    assert _pictures(folder) == [folder]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    ran = invoke("watch", tmp_path / "nowhere", "-g", tmp_path / "gallery", *CPU)
    assert ran.code == 2 and not (tmp_path / "gallery").exists()
