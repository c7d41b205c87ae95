"""A snapshot is a whole gallery at one moment, whoever writes meanwhile and whatever is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from engine import BadInput, Item, SearchEngine
from engine.pictures import file_uri
from engine.snapshot import restore, snapshot
from engine.verify import verify

WRITER = """
import io, sys
from PIL import Image
from engine import Item, SearchEngine
import engine.search
engine.search.SAVE_AT_LEAST = 40  # so that generations are written all the time
with SearchEngine.open(sys.argv[1], model="color") as gallery:
    for n in range(10**6):
        picture = io.BytesIO()
        Image.new("RGB", (4, 4), (n % 256, n // 256, 7)).save(picture, "PNG")
        gallery.add([Item(f"p{n}", picture=picture.getvalue()), Item(f"t{n}", "text", "red")])
        print(n, flush=True)
"""
COPY = """
import sys
from pathlib import Path
from engine.snapshot import snapshot
snapshot(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture
def closed(engine: SearchEngine, photos: Path, gallery: Path) -> Path:
    """A gallery of the eight colors, one upload and one text, closed."""
    engine.add([Item("up", picture=(photos / "red.png").read_bytes()), Item("t", "text", "red")])
    engine.close()
    return gallery


def test_a_snapshot_is_a_gallery_of_its_own(closed: Path, tmp_path: Path, photos: Path) -> None:
    copy = tmp_path / "deep" / "copy"
    snapshot(closed, copy)
    with SearchEngine.open(closed) as engine:
        engine.remove(["up", file_uri(photos / "blue.png")])
    assert verify(copy) == []
    with SearchEngine.open(copy) as engine:
        assert len(engine) == 10
        assert engine.open_picture(engine.find("up").id or 0) == (photos / "red.png").read_bytes()
    with pytest.raises(BadInput, match="is there already; choose a name that is not taken"):
        snapshot(closed, copy)
    with pytest.raises(BadInput, match="there is no gallery at"):
        snapshot(tmp_path / "nowhere", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_lost_gallery_is_restored(closed: Path, tmp_path: Path) -> None:
    snapshot(closed, tmp_path / "copy")
    (tmp_path / "new").mkdir()
    restore(tmp_path / "copy", tmp_path / "new")
    with SearchEngine.open(tmp_path / "new") as engine:
        assert len(engine.search("red", k=20)) == 9
    with pytest.raises(BadInput, match="is there already"):
        restore(tmp_path / "copy", closed)


def test_snapshots_while_another_thread_writes(gallery: Path, tmp_path: Path) -> None:
    with SearchEngine.open(gallery, model="color") as engine:
        stop = threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set():
                picture = tmp_path / "p.png"
                Image.new("RGB", (4, 4), (n % 256, n // 256, 7)).save(picture)
                engine.add([Item(f"p{n}", picture=picture.read_bytes()), Item(f"t{n}", "text", "red")])
                n += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for n in range(5):
                snapshot(gallery, tmp_path / f"copy{n}")
        finally:
            stop.set()
            writer.join()
    for n in range(5):
        assert verify(tmp_path / f"copy{n}") == []
        with SearchEngine.open(tmp_path / f"copy{n}", read_only=True) as copy:
            counts = copy.info()
            assert counts["pictures"] == counts["texts"]  # a batch is there whole or not at all


def test_snapshots_while_another_process_writes(gallery: Path, tmp_path: Path) -> None:
    seen = []
    command = [sys.executable, "-c", WRITER, str(gallery)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for n in range(5):
            seen.append(int(writer.stdout.readline()))
            snapshot(gallery, tmp_path / f"copy{n}")
        assert writer.poll() is None
        writer.kill()
    for n, last in enumerate(seen):
        assert verify(tmp_path / f"copy{n}") == []
        with SearchEngine.open(tmp_path / f"copy{n}", read_only=True) as copy:
            counts = copy.info()
            assert counts["pictures"] == counts["texts"]  # a batch is there whole or not at all
            assert int(str(counts["texts"])) > last and counts["writer"] is None
            assert len(copy.search("red", k=10**4)) == counts["pictures"]


def test_the_keys_of_a_service_go_along(closed: Path, tmp_path: Path) -> None:
    keys = closed / "server" / "keys.json"
    keys.parent.mkdir()
    keys.write_text("{}")
    keys.chmod(0o600)
    (closed / "server" / "jobs.json").write_text("[]")
    snapshot(closed, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "back")
    (kept,) = (tmp_path / "back" / "server").iterdir()
    assert (kept.name, kept.read_text(), kept.stat().st_mode & 0o777) == ("keys.json", "{}", 0o600)


def test_what_a_killed_snapshot_left_goes_with_the_next(closed: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    (tmp_path / ".copy.of mine").mkdir()  # none of its concern
    killed, running = (begun(closed, target) for _ in range(2))
    killed.kill()
    killed.communicate()
    ended, going_on = (f".copy.snapshot-{process.pid}" for process in (killed, running))
    assert beside(target) == {ended, going_on, ".copy.of mine"}
    snapshot(closed, target)
    assert beside(target) == {going_on, ".copy.of mine"}
    running.send_signal(signal.SIGCONT)
    _, said = running.communicate()
    assert running.returncode != 0 and "StorageFailed" in said  # the name is taken by now
    assert beside(target) == {".copy.of mine"} and verify(target) == []


def beside(target: Path) -> set[str]:
    return {path.name for path in target.parent.glob(f".{target.name}.*")}


def begun(gallery: Path, target: Path) -> subprocess.Popen[str]:
    """A snapshot in a process of its own, stopped as soon as it has begun to write."""
    command = [sys.executable, "-c", COPY, str(gallery), str(target)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    written = target.with_name(f".{target.name}.snapshot-{process.pid}")
    while not (written / "gallery.db").exists():
        assert process.poll() is None
        time.sleep(0.0005)
    process.send_signal(signal.SIGSTOP)
    return process
