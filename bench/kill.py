"""Kill what works on a gallery, at random moments, and check each time what it left behind.

    python -m bench.kill --points 1000 --seed 0

Each point forks a process that is warm already and lets it do one thing as the command line does it (index
with --sync, remove, snapshot, verify --repair, migrate), with small batches and an index that is saved all
the time. It is sent SIGKILL after a random share of the time that the work takes when it is left alone. Then
the gallery is opened: every item must be as it was before the work or as it is to be after it, each with one
vector and tokens of the model that is searched, `verify` must find nothing, a search must find every picture,
and nobody may be named as the writer.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

import engine.migration
import engine.search
import indexer.pipeline
from api.cli.app import app
from bench.machine import describe
from engine import SearchEngine
from engine.encoders.color import ColorEncoder
from engine.pictures import file_uri
from engine.snapshot import snapshot
from engine.types import Encoded
from engine.verify import verify

PICTURES = 24
TOKENS = 3  # a picture
COLORS = ("red", "blue", "lime", "navy", "gold", "teal", "pink", "gray")
Contents: TypeAlias = dict[str, str]  # uri -> SHA-256 of what was encoded


@dataclass
class Ground:
    """A folder of pictures, a gallery, and what has been done to them."""

    folder: Path
    gallery: Path
    chance: random.Random
    copied: Contents = field(default_factory=dict)  # what the last snapshot was of
    typical: dict[str, float] = field(default_factory=dict)  # seconds a work takes
    killed: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)  # killed after something had been written

    def paint(self, name: str) -> None:
        size = (self.chance.randrange(4, 12), self.chance.randrange(4, 12))
        out = BytesIO()
        Image.new("RGB", size, self.chance.choice(COLORS)).save(out, "PNG")
        (self.folder / name).write_bytes(out.getvalue() + self.chance.randbytes(8))

    def files(self) -> Contents:
        return {file_uri(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in self.folder.iterdir()}


def contents(gallery: Path) -> Contents:
    """Read what a gallery holds, past the engine; each item must have one vector and tokens of the model."""
    if not (gallery / "gallery.db").exists():
        return {}
    with closing(sqlite3.connect(gallery / "gallery.db")) as raw:
        if not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchall():
            return {}
        rows = raw.execute(
            "SELECT uri, digest, (SELECT count(*) FROM embeddings AS e, state AS s "
            "WHERE e.item_id = items.id AND e.model_id = s.model_id AND e.tokens IS NOT NULL) FROM items"
        ).fetchall()
    assert all(count == 1 for _, _, count in rows), "an item without its vector, or with two"
    return {uri: digest for uri, digest, _ in rows}


def check(gallery: Path) -> None:
    """Open what a kill left: index and store must agree, and a search must find every picture."""
    held = contents(gallery)
    if not held:
        return
    problems = verify(gallery)
    assert not problems, problems
    with SearchEngine.open(gallery, device="cpu") as opened:
        state = opened.info()
        assert state["writer"] is None, state["writer"]
        ColorEncoder.stamp = str(state["stamp"])
        found = [hit.item.uri for hit in opened.search("red", k=1000)]
    assert sorted(found) == sorted(held), "a search does not find what the store holds"


def command(*arguments: str | Path) -> Callable[[], None]:
    return lambda: app([str(argument) for argument in arguments], standalone_mode=False)


def index(ground: Ground) -> tuple[Callable[[], None], Contents]:
    """Paint new pictures, others in place of old ones, delete some, and bring the gallery to that."""
    names = [f"{n:03}.png" for n in range(PICTURES)]
    there = [name for name in names if (ground.folder / name).exists()]
    for name in ground.chance.sample(there, min(3, len(there))):
        (ground.folder / name).unlink()
    for name in ground.chance.sample(names, 8) if there else names:
        ground.paint(name)
    if contents(ground.gallery) and ground.chance.random() < 0.3:
        return command(
            "index", ground.folder, "--sync", "-g", ground.gallery, "--device", "cpu"
        ), ground.files()
    more = ("--model", "color") if not contents(ground.gallery) else ()
    work = command("index", ground.folder, "-g", ground.gallery, "--device", "cpu", *more)
    return work, {**contents(ground.gallery), **ground.files()}


def remove(ground: Ground) -> tuple[Callable[[], None], Contents]:
    held = contents(ground.gallery)
    gone = ground.chance.sample(sorted(held), min(5, len(held)))
    after = {uri: digest for uri, digest in held.items() if uri not in gone}
    return command("remove", *gone, "-g", ground.gallery), after


def copy(ground: Ground) -> tuple[Callable[[], None], Contents]:
    target = ground.gallery.with_name("copy.gallery")
    if target.exists():
        assert contents(target) == ground.copied, "a copy is there, and not whole"
        check(target)
        assert not list(target.parent.glob(f".{target.name}.*")), "what killed ones left was not removed"
        shutil.rmtree(target)
    ground.copied = contents(ground.gallery)
    return lambda: snapshot(ground.gallery, target), ground.copied


def repair(ground: Ground) -> tuple[Callable[[], None], Contents]:
    for header in ground.gallery.glob("generations/*/header.json"):
        header.write_text("{}")
    return command("verify", "--repair", "-g", ground.gallery), contents(ground.gallery)


def migrate(ground: Ground) -> tuple[Callable[[], None], Contents]:
    """Change to other weights of the same key; what stands in for them is another stamp."""
    held = contents(ground.gallery)
    unreadable = {uri for uri, digest in held.items() if ground.files().get(uri) != digest}

    def work() -> None:
        ColorEncoder.stamp = "color-2" if ColorEncoder.stamp == "color-1" else "color-1"
        done = engine.migration.migrate(ground.gallery, "color", device="cpu")
        assert done.switched is not bool(done.missing) and done.missing.keys() <= unreadable, done

    return work, held


WORKS = {"index": index, "remove": remove, "snapshot": copy, "repair": repair, "migrate": migrate}


def one_point(ground: Ground, name: str) -> None:
    """Do one work in a process of its own, kill it at a random moment, and check what is left."""
    before = contents(ground.gallery)
    work, after = WORKS[name](ground)
    trace = written(ground.gallery)
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        run_in_child(work)
    if name in ground.typical:
        time.sleep(ground.chance.uniform(0, 1.1 * ground.typical[name]))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        has_written = written(ground.gallery) != trace
        ground.killed[name] += 1
        ground.changed[name] += has_written
        if not has_written:  # it may take longer by now, on a machine that others use
            ground.typical[name] *= 1.05
    else:
        assert os.waitstatus_to_exitcode(status) == 0, f"{name} failed by itself"
        ground.finished[name] += 1
        took = time.monotonic() - start
        ground.typical[name] = 0.7 * ground.typical.get(name, took) + 0.3 * took
        assert contents(ground.gallery) == after, f"{name} did not do what it was to do"
    if name == "repair":  # what was damaged on purpose may still be
        verify(ground.gallery, repair=True)
    check(ground.gallery)
    for uri, digest in contents(ground.gallery).items():
        assert digest in (before.get(uri), after.get(uri)), f"{uri} is neither as it was nor as it is to be"
    lost = before.keys() & after.keys() - contents(ground.gallery).keys()
    assert not lost, f"{name} lost {sorted(lost)}"


def written(gallery: Path) -> tuple[object, ...]:
    """Tell what is no longer the same once a work has committed, saved an index, or begun a copy."""
    names = sorted(path.name for path in [*gallery.glob("generations/*"), *gallery.parent.glob(".copy*")])
    if not contents(gallery):
        return 0, 0, names
    with closing(sqlite3.connect(gallery / "gallery.db")) as raw:
        counted = "SELECT revision, (SELECT count(*) FROM embeddings) FROM state"
        return *raw.execute(counted).fetchone(), names


def run_in_child(work: Callable[[], None]) -> None:
    quiet, said = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        work()
    except BaseException:
        os.write(said, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


def give_tokens() -> None:
    """Let the stand-in for a model make tokens too, of what its vectors say."""
    plain = ColorEncoder.encode_image

    def encode_image(encoder: ColorEncoder, images: Sequence[Image.Image]) -> Encoded:
        vectors = plain(encoder, images).vectors
        tokens = np.repeat((127 * vectors[:, None]).astype(np.int8), TOKENS, axis=1)  # (n, T, D)
        return Encoded(vectors, tokens, np.full(len(vectors), TOKENS, dtype=np.int16))

    ColorEncoder.encode_image = encode_image  # type: ignore[assignment,method-assign]


def warm(scratch: Ground) -> None:
    """Index once in this process, so that the ones it forks find all imported and prepared."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        index(scratch)[0]()
    check(scratch.gallery)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=1000, help="how many kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    options = parser.parse_args()
    indexer.pipeline.BATCH = engine.migration.BATCH = 4
    engine.search.SAVE_AT_LEAST, engine.search.SAVE_SHARE = 8, 10**9
    give_tokens()
    logging.getLogger("engine").setLevel(logging.ERROR)  # what is damaged here is damaged on purpose
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / "pictures", Path(folder) / "g.gallery", random.Random(options.seed))
        ground.folder.mkdir()
        warm(Ground(ground.folder, Path(folder) / "scratch.gallery", ground.chance))
        while ground.killed.total() < options.points:
            one_point(
                ground, "index" if not contents(ground.gallery) else ground.chance.choice(options.works)
            )
            if ground.chance.random() < 0.1:  # begin anew, so that the making of a gallery is killed too
                shutil.rmtree(ground.gallery, ignore_errors=True)
    for name in options.works:
        killed, changed, done = ground.killed[name], ground.changed[name], ground.finished[name]
        print(f"{name}: {killed} killed, {changed} of them after it had written; {done} ran to their end")
    seconds = time.monotonic() - start
    print(
        f"{ground.killed.total()} kills in {seconds:.0f} s, seed {options.seed}: nothing lost, nothing twice."
    )
    print(f"Machine: {describe()}.")


if __name__ == "__main__":
    main()
