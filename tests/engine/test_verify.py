"""A gallery is checked against itself: damage is found, named, and mended where the store can mend it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from engine import Item, Report, SearchEngine
from engine.checksums import FILE
from engine.files import file_print
from engine.verify import verify


@pytest.fixture
def closed(engine: SearchEngine, photos: Path, gallery: Path) -> Path:
    """A gallery of the eight colors, one upload and one text, closed; its generation is on disk."""
    engine.add([Item("up", picture=(photos / "red.png").read_bytes()), Item("t", "text", "red")])
    engine.close()
    assert verify(gallery) == []
    return gallery


def generation(gallery: Path) -> Path:
    (directory,) = (gallery / "generations").iterdir()
    return directory


def turn_index(gallery: Path) -> None:
    path = generation(gallery) / "visual.index"
    index = faiss.read_index(str(path))
    turned = faiss.IndexFlatIP(index.d)
    turned.add(-index.reconstruct_n(0, index.ntotal))
    faiss.write_index(turned, str(path))
    print_again(path.parent)


def cut_index(gallery: Path) -> None:
    path = generation(gallery) / "visual.index"
    path.write_bytes(path.read_bytes()[:-8])


def print_again(directory: Path) -> None:
    """Make the header true of the files, as one of a Crosslight of before that had kept no checksums."""
    (directory / FILE).unlink()
    path = directory / "header.json"
    header = json.loads(path.read_text())
    header["files"] = {name: file_print(directory / name) for name in header["files"]}
    path.write_text(json.dumps(header))


def swap_ids(gallery: Path) -> None:
    path = generation(gallery) / "visual.ids.npy"
    ids = np.load(path)
    ids[0] = 12345
    np.save(path, ids)
    print_again(path.parent)


def blank_vector(gallery: Path) -> None:
    change(gallery, "UPDATE embeddings SET vector = zeroblob(128) WHERE item_id = 3")


def cut_vector(gallery: Path) -> None:
    change(gallery, "UPDATE embeddings SET vector = substr(vector, 1, 100) WHERE item_id = 3")


def lose_vector(gallery: Path) -> None:
    change(gallery, "DELETE FROM embeddings WHERE item_id = 3")


def lose_upload(gallery: Path) -> None:
    next((gallery / "uploads").iterdir()).unlink()


def damage_upload(gallery: Path) -> None:
    path = next((gallery / "uploads").iterdir())
    path.write_bytes(path.read_bytes() + b"!")


def change(gallery: Path, statement: str) -> None:
    with sqlite3.connect(gallery / "gallery.db") as raw:
        raw.execute(statement)
    raw.close()


@pytest.mark.parametrize(
    ("damage", "found", "mended"),
    [
        (cut_index, "is cut: visual.index has ", True),
        (turn_index, "has another vector in the index", True),
        (swap_ids, "is missing from the index", True),
        (blank_vector, "its stored vector is damaged; index it again", False),
        (cut_vector, "its stored vector is damaged; index it again", False),
        (lose_vector, "has no vector; index it again", False),
        (lose_upload, "cannot be read: No such file or directory; add the picture again", False),
        (damage_upload, "is damaged; add the picture again", False),
    ],
)
def test_damage_is_found_and_mended(
    closed: Path, damage: Callable[[Path], None], found: str, mended: bool
) -> None:
    damage(closed)
    problems = verify(closed)
    assert any(found in problem.what for problem in problems)
    assert verify(closed, repair=True) == problems
    left = verify(closed)
    assert [problem for problem in left if problem.mendable] == []
    assert (left == []) is mended
    if mended:
        with SearchEngine.open(closed, read_only=True) as engine:
            assert {hit.item.uri for hit in engine.search("red", k=2)} >= {"up"}


@pytest.mark.parametrize("damage", [blank_vector, cut_vector])
def test_a_gallery_is_searched_with_a_damaged_vector_left_out(
    closed: Path, damage: Callable[[Path], None]
) -> None:
    damage(closed)
    for directory in (closed / "generations").iterdir():
        (directory / "header.json").unlink()
    with SearchEngine.open(closed, read_only=True) as engine:
        assert len(engine.search("red", k=20)) == 8


@pytest.mark.parametrize("damage", [blank_vector, cut_vector, lose_vector])
def test_indexing_again_mends_a_damaged_vector(
    closed: Path, photos: Path, damage: Callable[[Path], None]
) -> None:
    damage(closed)
    with SearchEngine.open(closed) as engine:
        assert engine.add(sorted(photos.iterdir())) == Report(updated=1, unchanged=7)
        assert len(engine.search("red", k=20)) == 9
    assert verify(closed) == []
