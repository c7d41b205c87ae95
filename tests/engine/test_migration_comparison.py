"""Two models are compared before they are exchanged, and where they are not, the reason is true."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Item, SearchEngine
from engine.index import Aim
from engine.migration import Migrated, migrate


def change(gallery: Path, model: str, **more: object) -> Migrated:
    return migrate(gallery, model, device="cpu", **more)  # type: ignore[arg-type]


@pytest.fixture
def pictures_alone(engine: SearchEngine, gallery: Path, photos: Path) -> Path:
    """Twenty pictures of as many colors without a word, made by `color`."""
    for n in range(12):
        Image.new("RGB", (20 + n, 50), (20 * n, 10 * n, 255 - 20 * n)).save(photos / f"{n}.png")
    engine.add(sorted(photos.iterdir()))
    engine.close()
    return gallery


def ten_nearest(gallery: Path, model: str) -> dict[int, set[int]]:
    """The ten pictures nearest to each but itself, by a model's vectors."""
    with sqlite3.connect(gallery / "gallery.db") as raw:
        wanted = "SELECT item_id, vector FROM embeddings JOIN models ON models.id = model_id WHERE key = ?"
        held = {item_id: np.frombuffer(vector, "<f4") for item_id, vector in raw.execute(wanted, [model])}
    raw.close()
    near = {i: sorted(held.keys() - {i}, key=lambda other: -(held[i] @ held[other])) for i in held}
    return {i: set(others[:10]) for i, others in near.items()}


def lose_weights(gallery: Path, *more: str) -> None:
    with sqlite3.connect(gallery / "gallery.db") as raw:
        for statement in ("UPDATE models SET stamp = 'of weights that nobody has'", *more):
            raw.execute(statement)
    raw.close()


def test_pictures_ask_where_there_are_no_words(pictures_alone: Path, clip: str) -> None:
    done = change(pictures_alone, clip)
    assert done.comparison is not None and done.uncompared == ""
    assert (done.comparison.queries, done.comparison.asked, done.comparison.recall) == (20, "pictures", {})
    old, new = ten_nearest(pictures_alone, "color"), ten_nearest(pictures_alone, clip)
    shared = float(np.mean([len(old[item_id] & new[item_id]) / 10 for item_id in old]))
    assert done.comparison.overlap == pytest.approx(shared) and 0 < shared < 1


def test_pictures_ask_where_weights_are_gone_and_a_vector_is_damaged(pictures_alone: Path) -> None:
    lose_weights(pictures_alone, "UPDATE embeddings SET vector = zeroblob(128) WHERE item_id = 3")
    done = change(pictures_alone, "color")
    assert done.comparison is not None and done.comparison.queries == 19
    assert done.comparison.overlap == 1  # it is the same model, by another stamp


def test_why_nothing_is_compared_is_told(gallery: Path, photos: Path, clip: str) -> None:
    with SearchEngine.open(gallery, model="color") as engine:
        engine.add([Item("t1", "text", "red sea"), Item("t2", "text", "green")])
    lose_weights(gallery)
    done = change(gallery, "color")
    assert done.uncompared == "the weights that made the old vectors are not here any more"
    with SearchEngine.open(gallery) as engine:
        engine.remove(["t1", "t2"])
    done = change(gallery, clip, queries=["red"])
    assert (done.comparison, done.uncompared) == (None, "there is nothing that both have vectors of")
    with SearchEngine.open(gallery, device="cpu") as engine:
        engine.add([photos / "red.png"])
    done = change(gallery, "color")
    assert done.uncompared == "there are no two pictures that both have vectors of, and no text"


def test_the_index_of_the_next_model_is_to_be_what_the_last_one_was(pictures_alone: Path, clip: str) -> None:
    with SearchEngine.open(pictures_alone, index=Aim("exact", recall=0.9)) as engine:
        engine.add([])
    assert change(pictures_alone, clip).switched
    with SearchEngine.open(pictures_alone, index="exact", read_only=True) as engine:
        index = engine.info()["index"]["visual"]  # type: ignore[index]
    assert (index["kind"], index["target"]) == ("exact", 0.9)
