"""Damage that lies where no print of a file looks is found by `verify`, in every file and kind of index."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine import Item, SearchEngine, files
from engine.checksums import FILE, changed_files
from engine.files import file_print
from engine.index import Aim
from engine.verify import Problem, verify

ITEMS = 1200


@pytest.fixture(params=["flat", "hnsw", "ivf", "ivf-sq8"])
def saved(request: pytest.FixtureRequest, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generation with an index of each kind; prints look at little of it, as they do of large files."""
    monkeypatch.setattr(files, "BLOCK", 16)
    items = [Item(f"t{n}", "text", f"{('red', 'blue', 'lime')[n % 3]} w{n}") for n in range(ITEMS)]
    with SearchEngine.open(gallery, model="color", index=Aim(request.param, recall=0.9)) as engine:
        engine.add(items, batch_size=600)
        assert engine.info()["index"]["caption"]["kind"] == request.param  # type: ignore[index]
    assert verify(gallery) == []
    return generation(gallery)


def generation(gallery: Path) -> Path:
    (directory,) = (gallery / "generations").iterdir()
    return directory


def flip(path: Path) -> None:
    """Turn around every byte that the print of a file does not look at."""
    before, data = file_print(path), bytearray(path.read_bytes())
    looked_at = {
        n for start in range(0, len(data), max(16, len(data) // 64)) for n in range(start, start + 16)
    }
    for n in set(range(len(data))) - looked_at:
        data[n] ^= 0xFF
    path.write_bytes(data)
    assert file_print(path) == before


def test_every_file_of_a_generation_is_read_in_full(saved: Path) -> None:
    gallery, kind = saved.parents[1], json.loads((saved / "header.json").read_text())["index"]
    names = sorted(path.name for path in saved.iterdir() if path.suffix != ".json")
    approximate = ["caption.cells.npz", "caption.ids.npy", "caption.index", "caption.vectors.npy"]
    assert names == (["caption.ids.npy", "caption.index"] if kind == "flat" else approximate)
    told = [
        Problem(f"generation {saved.name}", f"{name} is not as it was written", mendable=True)
        for name in names
    ]
    for name, problem in zip(names, told, strict=True):
        whole = (saved / name).read_bytes()
        flip(saved / name)
        assert verify(gallery) == [problem]
        (saved / name).write_bytes(whole)
    for name in names:
        flip(saved / name)
    assert verify(gallery, repair=True) == told and verify(gallery) == []
    with SearchEngine.open(gallery, index=kind) as engine:
        index = engine.info()["index"]["caption"]  # type: ignore[index]
        assert (index["kind"], index["target"]) == (kind, 0.9)
        assert len(engine.search("blue w7", k=50)) == 50


@pytest.mark.parametrize("saved", ["ivf"], indirect=True)
def test_what_no_print_saw_and_nothing_can_load_is_made_again(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gallery = saved.parents[1]
    flip(saved / "caption.cells.npz")
    with SearchEngine.open(gallery, index="ivf", read_only=True) as engine:
        assert len(engine.search("blue w7", k=50)) == 50
    assert f"generation {saved.name} is changed: it cannot be loaded (" in caplog.text
    with SearchEngine.open(gallery, index="ivf") as engine:
        engine.add([])
    assert verify(gallery) == []


@pytest.mark.parametrize("saved", ["ivf"], indirect=True)
def test_a_generation_of_before_has_no_checksums_and_is_used(saved: Path) -> None:
    (saved / FILE).unlink()
    assert verify(saved.parents[1]) == [] and changed_files(saved) == []
    with SearchEngine.open(saved.parents[1], read_only=True) as engine:
        assert len(engine.search("blue w7", k=50)) == 50


@pytest.mark.parametrize("damage", [b"{", b"[]", b""])
def test_checksums_that_are_damaged_are_named(engine: SearchEngine, gallery: Path, damage: bytes) -> None:
    engine.close()
    (generation(gallery) / FILE).write_bytes(damage)
    assert [problem.what for problem in verify(gallery)] == [f"{FILE} is not as it was written"]
    assert verify(gallery, repair=True) and verify(gallery) == []


@pytest.fixture
def with_tokens(photos: Path, gallery: Path, clip: str) -> Path:
    """A gallery of eight pictures and a text with tokens, by a small real open_clip model."""
    with SearchEngine.open(gallery, model=clip, device="cpu") as engine:
        engine.add([*sorted(photos.iterdir()), Item("t", "text", "a red card")])
    assert verify(gallery) == []
    return gallery


@pytest.mark.parametrize(("file", "item"), [("visual.tokens.npy", 3), ("caption.lengths.npy", 9)])
def test_tokens_are_held_against_the_store(with_tokens: Path, file: str, item: int) -> None:
    directory = generation(with_tokens)
    ids = np.load(directory / f"{file.partition('.')[0]}.ids.npy")
    tokens = np.load(directory / file)
    tokens[ids == item] += 1
    np.save(directory / file, tokens)
    header = json.loads((directory / "header.json").read_text())
    header["files"][file] = file_print(directory / file)  # saved so, by a Crosslight of before
    (directory / "header.json").write_text(json.dumps(header))
    (directory / FILE).unlink()
    (problem,) = verify(with_tokens)
    assert (problem.where, problem.what) == (f"item {item}", "has other tokens than the store")
    assert verify(with_tokens, repair=True) == [problem] and verify(with_tokens) == []
