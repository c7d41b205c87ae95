"""A gallery changes its model while it serves; killed, interrupted or refused, it loses nothing."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import BadInput, GalleryBusy, Item, SearchEngine
from engine.gallery import Gallery
from engine.migration import Migrated, finish, go_back, migrate
from engine.pictures import file_uri
from engine.snapshot import restore, snapshot
from engine.verify import verify

READER = """
import sys, open_clip
from engine import SearchEngine
open_clip.add_model_config(sys.argv[2])
with SearchEngine.open(sys.argv[1], device="cpu") as gallery:
    for line in sys.stdin:
        hits = gallery.search("red", k=100)
        print(gallery.model.partition(":")[0], len(hits), round(hits[0].score, 3), flush=True)
"""
MIGRATION = """
import sys, open_clip
from pathlib import Path
from engine import migration
open_clip.add_model_config(sys.argv[2])
migration.BATCH = 2
migration.migrate(
    Path(sys.argv[1]), sys.argv[3], device="cpu", progress=lambda done, total: print(done, total, flush=True)
)
"""


@pytest.fixture
def closed(engine: SearchEngine, gallery: Path, photos: Path) -> Path:
    """Eight colors, the red one twice by content, an upload, and two texts, made by `color`."""
    (photos / "red2.png").write_bytes((photos / "red.png").read_bytes())
    upload = Item("up", picture=(photos / "blue.png").read_bytes(), text="blue")
    engine.add([photos / "red2.png", upload, Item("t1", "text", "red sea"), Item("t2", "text", "green")])
    engine.close()
    return gallery


def change(gallery: Path, model: str, **more: object) -> Migrated:
    return migrate(gallery, model, device="cpu", **more)  # type: ignore[arg-type]


def vectors(gallery: Path) -> dict[tuple[int, str, str], bytes]:
    with sqlite3.connect(gallery / "gallery.db") as raw:
        rows = raw.execute(
            "SELECT item_id, signal, key, vector FROM embeddings JOIN models ON models.id = model_id"
        ).fetchall()
    raw.close()
    return {(item_id, name, key): vector for item_id, name, key, vector in rows}


def fresh(tmp_path: Path, gallery: Path, model: str) -> dict[tuple[str, str, str], float]:
    """What a gallery of the same items finds that the model made from the start."""
    with SearchEngine.open(gallery, device="cpu") as old:
        items = [hit.item for kind in ("red", "sea") for hit in old.search(kind, k=50, rerank=False)]
        items += [old.find(uri) for uri in ("t1", "t2")]
    with SearchEngine.open(tmp_path / "fresh", model=model, device="cpu") as made:
        made.add({item.uri: item for item in items}.values())
        return answers(made)


def answers(engine: SearchEngine) -> dict[tuple[str, str, str], float]:
    """What each signal says of each item; a fused score would turn on the last digits of near-equal ones."""
    return {
        (query, hit.item.uri, signal): value
        for query in ("red", "green sea")
        for hit in engine.search(query, k=50)
        for signal, value in hit.signals.items()
    }


def test_a_migrated_gallery_answers_as_one_made_by_the_model(closed: Path, tmp_path: Path, clip: str) -> None:
    expected = fresh(tmp_path, closed, clip)
    told: list[tuple[int, int]] = []
    done = change(closed, clip, progress=lambda made, total: told.append((made, total)))
    assert (done.old, done.new, done.switched, dict(done.missing)) == ("color", clip, True, {})
    assert told[0] == (0, done.made) and (done.made, done.made) in told
    assert done.comparison is not None and 0 < done.comparison.overlap <= 1
    assert set(done.comparison.recall["new"]) == {"R@1", "R@5", "R@10"}
    assert verify(closed) == []
    with SearchEngine.open(closed, device="cpu") as engine:
        assert engine.model == clip and answers(engine) == pytest.approx(expected, abs=1e-4)
        assert engine.add([Item("t3", "text", "yellow")]).added == 1
    with pytest.raises(BadInput, match="searched with these weights already"):
        change(closed, clip)


def test_a_live_engine_follows_and_goes_back(closed: Path, clip: str) -> None:
    with SearchEngine.open(closed, device="cpu") as engine:
        before = answers(engine)
        dim = engine.load().encoder.dim
        change(closed, clip)
        assert len(engine.search("red", k=50)) == 10
        assert engine.load().encoder.dim == 24 != dim and engine.model == clip
        engine.add([Item("late", "text", "purple")])  # has no vector of the first model
        back = go_back(closed, device="cpu")
        assert (back.old, back.new, back.made, back.switched) == (clip, "color", 1, True)
        assert [hit.item.uri for hit in engine.search("purple", k=1, rerank=False)] != []
        assert engine.find("late").id and verify(closed) == []
        engine.remove(["late"])
        assert answers(engine) == before and engine.model == "color"
        assert finish(closed) > 0
        assert {key for _, _, key in vectors(closed)} == {"color"}
        assert len(list((closed / "generations").iterdir())) == 1
    with pytest.raises(BadInput, match="no earlier model to go back to"):
        go_back(closed)


@pytest.fixture
def reader(closed: Path, clip_config: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process with the gallery open, which searches once for each line it gets."""
    command = [sys.executable, "-c", READER, str(closed), str(clip_config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.kill()


def ask(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().split()


def test_another_process_goes_on_and_follows(reader: subprocess.Popen[str], closed: Path, clip: str) -> None:
    assert ask(reader) == ["color", "10", "0.049"]
    seen = []
    change(closed, clip, progress=lambda made, total: seen.append(ask(reader)))
    assert {tuple(answer) for answer in seen} == {("color", "10", "0.049")}  # while vectors were made
    assert ask(reader)[:2] == ["open_clip", "10"]
    go_back(closed, device="cpu")
    assert ask(reader) == ["color", "10", "0.049"]


def test_killed_it_goes_on_where_it_was(closed: Path, clip_config: Path, clip: str) -> None:
    before = vectors(closed)
    command = [sys.executable, "-c", MIGRATION, str(closed), str(clip_config), clip]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line.split()[0]) >= 4:
                process.send_signal(signal.SIGKILL)
                break
    half = vectors(closed)
    assert {key: half[key] for key in before} == before and 4 <= len(half) - len(before)
    with SearchEngine.open(closed, device="cpu") as engine:
        assert engine.model == "color" and len(engine.search("red", k=50)) == 10
    assert verify(closed) == []
    done = change(closed, clip)
    assert done.switched and done.made == len(before) - (len(half) - len(before))
    assert verify(closed) == []


def test_what_comes_meanwhile_is_taken_along(closed: Path, photos: Path, clip: str) -> None:
    Image.new("RGB", (30, 30), "teal").save(photos / "teal.png")
    turned = Image.new("RGB", (64, 20), "navy")
    with SearchEngine.open(closed, device="cpu") as engine:
        steps = iter(
            [
                lambda: engine.add(
                    [photos / "teal.png", Item("new", "text", "teal"), Item("t1", "text", "navy")]
                ),
                lambda: (turned.save(photos / "red.png"), engine.add([photos / "red.png"])),
                lambda: engine.remove(["t2"]),
            ]
        )
        done = change(closed, clip, progress=lambda made, total: next(steps, lambda: None)())
        assert done.switched and next(steps, None) is None
        assert verify(closed) == []
        made = vectors(closed)
        with SearchEngine.open(closed.parent / "other", model=clip, device="cpu") as other:
            other.add([photos / "red.png", Item("t1", "text", "navy")])
            for uri in (file_uri(photos / "red.png"), "t1"):
                ours, theirs = engine.find(uri).id, other.find(uri).id
                for item_id, name, key in vectors(closed.parent / "other"):
                    if item_id == theirs:
                        theirs_vector = vectors(closed.parent / "other")[item_id, name, key]
                        ours_vector = made[ours or 0, name, clip]
                        np.testing.assert_allclose(
                            np.frombuffer(ours_vector, "<f4"), np.frombuffer(theirs_vector, "<f4"), atol=1e-5
                        )


def test_a_picture_that_is_gone_stops_the_change(closed: Path, photos: Path, clip: str) -> None:
    (photos / "green.png").unlink()
    Image.new("RGB", (9, 9), "pink").save(photos / "black.png")
    refused = change(closed, clip)
    assert not refused.switched and refused.made > 0
    assert refused.missing == {
        file_uri(photos / "green.png"): "cannot be read any more: No such file or directory",
        file_uri(photos / "black.png"): "has changed since it was indexed; index it again",
    }
    with SearchEngine.open(closed, device="cpu") as engine:
        assert engine.model == "color" and len(engine.search("green", k=50)) == 10
        engine.add([photos / "black.png"])
    allowed = change(closed, clip, allow_missing=True)
    assert allowed.switched and list(allowed.missing) == [file_uri(photos / "green.png")]
    with SearchEngine.open(closed, device="cpu") as engine:
        assert engine.find(file_uri(photos / "green.png")) and len(engine.search("green", k=50)) == 9
        assert any("has no vector" in problem.what for problem in verify(closed))
        Image.new("RGB", (50, 60), "green").save(photos / "green.png")
        (print_,) = engine.fingerprints([file_uri(photos / "green.png")]).values()
        assert not print_.signals  # so the indexer reads it again
        assert engine.add([photos / "green.png"]).updated == 1
        assert len(engine.search("green", k=50)) == 10
    assert verify(closed) == []


def test_one_migration_at_a_time_and_no_exchange_below_a_writer(closed: Path, clip: str) -> None:
    with (
        Gallery.at(closed, create=False).migrating(),
        pytest.raises(GalleryBusy, match="is being migrated by"),
    ):
        change(closed, clip)
    with (
        Gallery.at(closed, create=False).writing(),
        pytest.raises(GalleryBusy, match="is being written by process"),
    ):
        change(closed, clip)
    assert change(closed, clip).made == 0  # all was made before the writer was met


def test_a_snapshot_during_a_migration_is_whole(closed: Path, tmp_path: Path, clip: str) -> None:
    copies: list[Path] = []

    def copy(made: int, total: int) -> None:
        copies.append(tmp_path / f"copy{len(copies)}")
        snapshot(closed, copies[-1])

    change(closed, clip, progress=copy)
    restore(copies[-1], tmp_path / "back")
    assert verify(tmp_path / "back") == []
    with SearchEngine.open(tmp_path / "back", device="cpu") as engine:
        assert engine.model == "color" and len(engine.search("red", k=50)) == 10


def test_the_gallery_is_searched_by_threads_while_it_changes(closed: Path, clip: str) -> None:
    with SearchEngine.open(closed, device="cpu") as engine:
        stop, failed, seen = threading.Event(), list[BaseException](), set[str]()

        def search() -> None:
            try:
                while not stop.is_set():
                    assert len(engine.search("red", k=50)) == 10
                    seen.add(engine.model)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        change(closed, clip)
        while clip not in seen and not failed:
            pass
        stop.set()
        for thread in threads:
            thread.join()
        assert not failed and seen == {"color", clip}
