"""One gallery, many hands: threads of one engine, engines of one process, and other processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine import GalleryBusy, Item, Result, SearchEngine
from engine.pictures import file_uri


def names(result: Result) -> list[str]:
    return [Path(hit.item.uri).stem for hit in result]


def test_a_second_writer_is_refused_with_the_holder_named(
    gallery: Path, engine: SearchEngine, photos: Path
) -> None:
    script = (
        "import sys; from engine import SearchEngine\n"
        "with SearchEngine.open(sys.argv[1]) as e: print(len(e.search('red'))); e.add([sys.argv[2]])"
    )
    run = [sys.executable, "-c", script, str(gallery), str(photos / "red.png")]
    with engine.writing():
        other = subprocess.run(run, capture_output=True, text=True)
    assert other.stdout == "8\n"  # reading is not refused
    assert f"GalleryBusy: {gallery} is being written by process {os.getpid()} on" in other.stderr
    # an engine that is open but not writing stands in nobody's way
    assert subprocess.run(run, capture_output=True, text=True).returncode == 0


def test_two_writers_in_one_process(gallery: Path, engine: SearchEngine) -> None:
    with SearchEngine.open(gallery) as other, engine.writing():
        engine.add([Item("s", "text", "red")])  # within its own turn
        with pytest.raises(GalleryBusy, match="is being written by"):
            other.add([Item("t", "text", "red")])
    assert engine.info()["writer"] is None


def test_a_writer_is_named_while_it_holds_the_lock(gallery: Path, engine: SearchEngine) -> None:
    script = (
        "import sys; from engine import SearchEngine\n"
        "with SearchEngine.open(sys.argv[1]) as e, e.writing(): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(gallery)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None and other.stdout.readline()
        assert f"process {other.pid} on" in str(engine.info()["writer"])
        other.kill()
        other.wait()
    assert (gallery / "writer.json").exists() and engine.info()["writer"] is None
    with engine.writing():
        assert f"process {os.getpid()} on" in str(engine.info()["writer"])
    assert engine.info()["writer"] is None


def test_a_reader_sees_what_another_process_commits(
    engine: SearchEngine, gallery: Path, photos: Path
) -> None:
    with SearchEngine.open(gallery, read_only=True) as reader:
        assert len(reader.search("red", k=99)) == 8
        engine.remove([file_uri(photos / "red.png")])
        engine.add([Item("bytes", picture=(photos / "blue.png").read_bytes())])
        assert "red" not in names(reader.search("red", k=99))
        assert "bytes" in {hit.item.uri for hit in reader.search("blue", k=2)}


def test_threads_share_one_engine(engine: SearchEngine) -> None:
    failures: list[Exception] = []

    def ask(color: str) -> None:
        try:
            for _ in range(30):
                assert names(engine.search(color, k=1)) == [color]
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(color,)) for color in ("red", "green", "blue", "white")]
    for thread in threads:
        thread.start()
    writers = [
        threading.Thread(
            target=lambda m=m: [engine.add([Item(f"t{n}", "text", "w")]) for n in range(m, 30, 2)]
        )
        for m in range(2)  # two threads take turns; neither is refused
    ]
    for thread in writers:
        thread.start()
    for thread in threads + writers:
        thread.join()
    assert failures == [] and len(engine) == 38
