"""What may come in between: Ctrl-C, a full disk, another writer. Nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import CPU, environment, finish, invoke, run, start
from PIL import Image

from engine import SearchEngine
from engine.pictures import file_uri

NEW = ("--model", "color", *CPU)
PATIENCE = 30.0  # seconds after which a wait for another process has failed


def many(folder: Path, count: int) -> list[str]:
    """Make pictures of one content under many names, and return their uris."""
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "00000.png")
    for n in range(1, count):
        os.link(folder / "00000.png", folder / f"{n:05}.png")
    return [file_uri(path) for path in sorted(folder.iterdir())]


def check_whole(gallery: Path, uris: list[str]) -> None:
    """Check that the gallery holds every picture once, and that its index does too."""
    with SearchEngine.open(gallery, device="cpu") as engine:
        found = [hit.item.uri for hit in engine.search("red", k=2 * len(uris))]
        assert len(engine) == len(uris)
        assert sorted(found) == uris


def watch(process: subprocess.Popen[bytes], terminal: int, seen: Callable[[str], None]) -> str:
    """Read a program's terminal to its end, telling `seen` what has come so far."""
    text = ""
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the program has closed its end
            return text
        if not data:
            return text
        text += data.decode(errors="replace")
        seen(text)
    process.kill()
    raise AssertionError(f"the program wrote nothing for {PATIENCE} s; before that:\n{text}")


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(tmp_path: Path, gallery: Path) -> None:
    uris = many(
        tmp_path / "a", 2000
    )  # a second's work or more on any machine; the bar moves ten times a second
    arguments = ("index", tmp_path / "a", "--gallery", gallery, *NEW, "--json")
    ours, theirs = pty.openpty()
    process = start(*arguments, stderr=theirs)
    os.close(theirs)
    signaled: list[int] = []

    def interrupt(text: str) -> None:
        done = [int(count) for count in re.findall(r"(\d+)/2000", text)]
        if done and done[-1] >= 32 and not signaled:
            signaled.append(done[-1])
            process.send_signal(signal.SIGINT)

    terminal = watch(process, ours, interrupt)
    os.close(ours)
    first = finish(process)

    assert (first.code, first.document["interrupted"]) == (130, True)
    assert "interrupted: what is counted here is in the gallery" in terminal
    assert 32 <= first.document["added"] < 2000
    with SearchEngine.open(gallery, device="cpu") as engine:
        assert len(engine) == first.document["added"]
    second = run(*arguments)
    assert second.code == 0
    assert second.document["unchanged"] == first.document["added"]
    assert second.document["added"] + second.document["unchanged"] == 2000
    check_whole(gallery, uris)


def limit_files() -> None:
    """Let no file of this process grow over 400 kB: to SQLite that is a disk that has no more room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))


def test_files_that_cannot_grow_leave_the_gallery_whole(tmp_path: Path, gallery: Path) -> None:
    uris = many(tmp_path / "a", 500)

    failed = run("index", tmp_path / "a", "--gallery", gallery, *NEW, "--json", before=limit_files)

    assert failed.code == 1
    assert "Traceback" not in failed.err
    assert failed.document["error"]["kind"] == "StorageFailed"
    with SearchEngine.open(gallery, device="cpu") as engine:
        assert 0 < len(engine) == failed.document["report"]["added"] < 500
    again = invoke("index", tmp_path / "a", "--gallery", gallery, *NEW, "--json")
    assert again.document["added"] + failed.document["report"]["added"] == 500
    check_whole(gallery, uris)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB of its own."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "crosslight-test", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_is_a_clear_error_and_what_was_committed_is_searched(
    tmp_path: Path, small_disk: Path
) -> None:
    uris = many(tmp_path / "a", 500)
    gallery = small_disk / "g.gallery"

    failed = run("index", tmp_path / "a", "--gallery", gallery, *NEW, "--json")

    assert failed.code == 1
    assert "Traceback" not in failed.err
    assert "full" in failed.document["error"]["message"] or "space" in failed.document["error"]["message"]
    added = failed.document["report"]["added"]
    assert 0 < added < 500
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    with SearchEngine.open(gallery, device="cpu") as engine:
        assert len(engine) == len(engine.search("red", k=1000)) == added
    again = invoke("index", tmp_path / "a", "--gallery", gallery, *NEW, "--json")
    assert again.document["added"] == 500 - added
    check_whole(gallery, uris)


WRITER = """
import sys
from pathlib import Path
from engine import SearchEngine
with SearchEngine.open(sys.argv[1], model="color", device="cpu") as engine, engine.writing():
    engine.add([Path(sys.argv[2])])
    print("writing", flush=True)
    sys.stdin.readline()
"""


def test_a_second_writer_is_refused_by_name_and_readers_go_on(photos: Path, gallery: Path) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", WRITER, str(gallery), str(photos / "red.png")]
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"

        refused = run("index", photos, "--gallery", gallery, *NEW, "--json")
        found = run("search", "red", "--gallery", gallery, *CPU, "--json")
        writer.communicate(b"\n", timeout=PATIENCE)

    assert (refused.code, refused.document["error"]["kind"]) == (1, "GalleryBusy")
    assert f"process {writer.pid} " in refused.document["error"]["message"]
    assert found.document["hits"][0]["uri"] == file_uri(photos / "red.png")
    assert invoke("index", photos, "--gallery", gallery, *NEW, "--json").document["added"] == 7
