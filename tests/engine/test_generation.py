"""Derived files may be lost, cut, foreign or old: what is searched is what the store holds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import faiss
import numpy as np
import pytest

from engine import Item, SearchEngine
from engine.files import file_print
from engine.generation import Generation, latest
from engine.index import autopilot
from engine.index.approximate import ApproximateIndex
from engine.store import Store
from engine.types import PLACES, Encoded
from engine.verify import verify


def answers(gallery: Path) -> list[tuple[str, float]]:
    with SearchEngine.open(gallery, read_only=True) as engine:
        hits = engine.search("red", k=20).hits
        return [(hit.item.uri, round(hit.score, 5)) for hit in hits]


def only_generation(gallery: Path) -> Path:
    (directory,) = (gallery / "generations").iterdir()
    return directory


@pytest.fixture
def saved(engine: SearchEngine, gallery: Path) -> list[tuple[str, float]]:
    """A closed gallery's answers; its generation is on disk."""
    engine.close()
    found = answers(gallery)
    assert len(found) == 8 and found[0][0].endswith("red.png")
    return found


def cut(directory: Path) -> None:
    path = directory / "visual.index"
    path.write_bytes(path.read_bytes()[:-8])


def lose_header(directory: Path) -> None:
    (directory / "header.json").unlink()


def garble_header(directory: Path) -> None:
    (directory / "header.json").write_text("{")


def lose_file(directory: Path) -> None:
    (directory / "visual.ids.npy").unlink()


def make_foreign(directory: Path) -> None:
    replace_contents(directory)
    change_header(directory, gallery="another")


def make_newer_schema(directory: Path) -> None:
    replace_contents(directory)
    change_header(directory, schema=99)


def make_future(directory: Path) -> None:
    replace_contents(directory)
    directory.rename(directory.with_name("1.999"))
    change_header(directory.with_name("1.999"), revision=999)


def swap_in_another(directory: Path) -> None:
    """Put another gallery's index of as many vectors, so of the same size, in place of this one."""
    size = (directory / "visual.index").stat().st_size
    replace_contents(directory)
    assert (directory / "visual.index").stat().st_size == size


def change_model(directory: Path) -> None:
    replace_contents(directory)
    change_header(directory, model=2)


def lose(directory: Path) -> None:
    shutil.rmtree(directory.parent)


def replace_contents(directory: Path) -> None:
    """Turn every vector around, so that using this generation would show."""
    path = directory / "visual.index"
    index = faiss.read_index(str(path))
    turned = faiss.IndexFlatIP(index.d)
    turned.add(-index.reconstruct_n(0, index.ntotal))
    faiss.write_index(turned, str(path))


def change_header(directory: Path, **changes: object) -> None:
    """Change a generation's header, which is otherwise true of its files."""
    path = directory / "header.json"
    header = json.loads(path.read_text())
    files = {name: file_print(directory / name) for name in header["files"]}
    path.write_text(json.dumps({**header, "files": files, **changes}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, r"1.1 is cut: visual.index has 1061 bytes, its header says 1069;"),
        (lose_header, r"1.1 is cut: header.json cannot be read \(No such file"),
        (garble_header, r"1.1 is cut: its header.json says too little \(JSONDecodeError"),
        (lose_file, r"1.1 is cut: visual.ids.npy cannot be read \(No such file"),
        (make_foreign, r"1.1 is foreign: it is of the gallery another, this one is [0-9a-f-]{36};"),
        (swap_in_another, r"1.1 is changed: visual.index is another file than its header says \(1069:"),
        (change_model, r"1.1 is foreign: it is of the model 2, its place is that of 1;"),
        (make_newer_schema, r"1.1 is of another Crosslight: its schema is 99, this Crosslight reads 4 to 5;"),
        (make_future, r"1.999 is from the future: its revision is 999, the gallery's is 1;"),
        (lose, None),
    ],
)
def test_a_damaged_generation_is_made_again_and_the_reason_said(
    damage: Callable[[Path], None],
    said: str | None,
    saved: list[tuple[str, float]],
    gallery: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(only_generation(gallery))
    caplog.clear()
    assert answers(gallery) == saved
    told = [record.getMessage() for record in caplog.records if record.name == "engine.generation"]
    assert len(told) == (said is not None)
    for message in told:
        assert re.search(said or "", message), message
        assert message.endswith(f"until one is saved: crosslight verify --repair --gallery {gallery}")
    assert verify(gallery, repair=True) or said is None
    caplog.clear()
    assert answers(gallery) == saved and not caplog.records  # mended


def test_a_writer_mends_a_generation_of_the_same_revision(
    saved: list[tuple[str, float]], gallery: Path
) -> None:
    cut(only_generation(gallery))
    with SearchEngine.open(gallery) as engine:
        engine.add([])
    assert verify(gallery) == [] and answers(gallery) == saved


def test_a_whole_generation_is_used_as_it_is(saved: list[tuple[str, float]], gallery: Path) -> None:
    with closing(Store(gallery / "gallery.db")) as store:
        state = store.state()
    assert state is not None
    loaded = latest(gallery / "generations", state, "auto")
    assert loaded.revision == state.revision and len(loaded) == 8 and loaded.unsaved == 0


def test_an_old_generation_catches_up(saved: list[tuple[str, float]], gallery: Path, photos: Path) -> None:
    old = shutil.copytree(only_generation(gallery), gallery.parent / only_generation(gallery).name)
    with SearchEngine.open(gallery) as engine:
        engine.remove([(photos / "red.png").resolve().as_uri()])
        engine.add([photos / "red.png"])
        engine.remove([(photos / "blue.png").resolve().as_uri()])
    shutil.rmtree(only_generation(gallery))
    shutil.copytree(old, gallery / "generations" / old.name)
    expected = [answer for answer in saved if not answer[0].endswith("blue.png")]
    assert answers(gallery) == expected
    assert only_generation(gallery).name == old.name  # read-only: nothing was written


def test_only_the_newest_generation_is_kept(
    saved: list[tuple[str, float]], gallery: Path, photos: Path
) -> None:
    (gallery / "generations" / ".1.7.99999").mkdir()  # left by a writer that was killed
    with SearchEngine.open(gallery) as engine:
        engine.remove([(photos / "red.png").resolve().as_uri()])
    assert only_generation(gallery).name == "1.2"
    assert len(answers(gallery)) == 7


def test_both_index_kinds_serve_one_gallery(saved: list[tuple[str, float]], gallery: Path) -> None:
    with SearchEngine.open(gallery, index="exact") as engine:
        assert [(hit.item.uri, round(hit.score, 5)) for hit in engine.search("red", k=20)] == saved


def test_what_is_saved_is_mapped_and_no_longer_held_in_memory(tmp_path: Path) -> None:
    rng, items, tokens = np.random.default_rng(0), 2_000, (16, 64)
    ids = np.arange(1, items + 1)
    generation = Generation("hnsw", 1, revision=1)
    for some in np.split(ids, 10):
        lengths = np.full(len(some), tokens[0], np.int16)
        made = rng.integers(-127, 127, (len(some), *tokens), dtype=np.int8)
        vectors = rng.standard_normal((len(some), 32), dtype=np.float32)
        generation._put(PLACES["visual"], some, Encoded(vectors, made, lengths))
    (held,) = generation.views.values()
    assert held.tokens is not None
    before = held.tokens.read(ids)[0]

    settled = generation.settled()
    assert generation.views[PLACES["visual"]].index.kind == "flat"  # which may be searched meanwhile
    settled.save(tmp_path, "gallery")

    (view,) = settled.views.values()
    assert view.tokens is not None and not view.tokens._newer
    assert isinstance(view.tokens._base, np.memmap)
    assert isinstance(view.index, ApproximateIndex) and isinstance(view.index.vectors.base, np.memmap)
    assert (view.tokens.read(ids)[0] == before).all()
    assert view.choice is not None and view.choice.kind == "hnsw"


def test_a_gallery_is_searched_while_its_index_is_built(
    gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, searched = Event(), Event()

    def slowly(*given: Any) -> Any:
        begun.set()
        assert searched.wait(20), "a search has waited for the index"
        return settled(*given)

    settled = autopilot.settled
    monkeypatch.setattr(autopilot, "settled", slowly)
    with SearchEngine.open(gallery, model="color", index="hnsw") as engine:
        items = [Item(f"t{n}", "text", f"{('red', 'blue', 'lime')[n % 3]} w{n}") for n in range(1200)]
        with ThreadPoolExecutor(1) as pool:
            adding = pool.submit(engine.add, items, batch_size=600)
            assert begun.wait(20)
            assert len(engine.search("red", k=5)) == 5
            searched.set()
            assert adding.result().added == 1200
        assert engine.info()["index"]["caption"]["kind"] == "hnsw"  # type: ignore[index]
        assert engine.search("blue w7", k=1)[0].item.text.startswith("blue")
