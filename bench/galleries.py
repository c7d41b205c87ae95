"""Real galleries of made-up vectors, one a kind of index over one store, kept between runs.

    python -m bench.galleries [--items 1000000] [--dim 512] [--kinds flat hnsw …] [--cache data/cache/bench]

The store is filled in batches as `engine.add` fills it; the model is a stand-in, which reads "17" as the
17th vector and "query 3" as the 3rd query. The index of each kind comes from `bench.indexes` and is saved
as a generation of the gallery, so that opening and searching it are what they are for any gallery.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from bench.indexes import Data, arguments
from bench.made_up import blocks
from engine import Item, SearchEngine, models
from engine.changes import Looking
from engine.gallery import Gallery
from engine.generation import Generation, View
from engine.ingest import add_batch
from engine.models import Family, Model
from engine.store import Store
from engine.types import PLACES, Encoded, Floats

BATCH = 1000
TOWNS = ("Oslo", "Lima", "Kyoto", "Accra", "Quito", "Perth", "Turin", "Malmo")


class Given:
    """An encoder whose vectors are given: a text names one by its number."""

    def __init__(self, vectors: Floats, queries: Floats) -> None:
        self.name, self.stamp, self.text_limit = "given", "given-1", 2
        self.dim = int(vectors.shape[1])
        self._vectors, self._queries = vectors, queries

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        return Encoded(np.stack([self._vector(text) for text in texts]))

    def encode_image(self, images: Sequence[object]) -> Encoded:
        raise NotImplementedError("the stand-in reads texts only")

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        return []

    def _vector(self, text: str) -> Floats:
        *asked, number = text.split()
        vector: Floats = (self._queries if asked else self._vectors)[int(number)]
        return vector


def opened(data: Data, kind: str) -> SearchEngine:
    """Open the gallery of a kind, read-only; it is built where it is missing."""
    _register(data)
    build(data, kind)
    return SearchEngine.open(_path(data, kind), index=kind, read_only=True)


def build(data: Data, kind: str) -> None:
    """Make the gallery of a kind, where it is missing, from the store and the kept index."""
    path = _path(data, kind)
    if (path / "built").exists():
        return
    database = _filled(data)
    index, choice = data.index(kind)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    (path / "gallery.db").symlink_to(database.resolve())
    gallery = Gallery.at(path, create=False)
    with closing(Store(gallery.database)) as store:
        state = store.state()
    assert state is not None, "a filled store has a state"
    generation = Generation(
        kind, state.model_id, state.revision, {PLACES["caption"]: View(index, choice=choice)}
    )
    generation.save(gallery.generations, state.gallery)
    (path / "built").touch()


def _path(data: Data, kind: str) -> Path:
    return data.folder / f"{kind}.gallery"


def _register(data: Data) -> None:
    encoder = Given(data.vectors(), data.queries())
    models.FAMILIES["given"] = Family("vectors that are given", "-", lambda _key, _device: Model(encoder))


def _filled(data: Data) -> Path:
    """Return the database that every kind shares; fill it where it is missing."""
    path = data.folder / "store.gallery"
    if not (path / "filled").exists():
        _register(data)
        shutil.rmtree(path, ignore_errors=True)
        start = time.process_time()
        gallery, encoder, items = (
            Gallery.at(path, create=True),
            models.load_model("given").encoder,
            _items(data),
        )
        with gallery.writing(), closing(Store(gallery.database)) as store:
            store.create("given")
            store.set_stamp(encoder.stamp, encoder.dim)
            while batch := list(islice(items, BATCH)):
                assert all(
                    outcome.status == "added"
                    for outcome in add_batch(batch, store, gallery, encoder, Looking())
                )
        (path / "filled").touch()
        print(f"{data.items:,} items: {time.process_time() - start:.0f} s of the processor", flush=True)
    return path / "gallery.db"


def _items(data: Data) -> Iterator[Item]:
    chances = data.chances().tolist()
    numbers = iter(range(data.items))
    for _, centers in blocks(data.items, data.dim):
        for center in centers.tolist():
            n = next(numbers)
            metadata = {"chance": chances[n], "center": center, "year": 1990 + n % 35, "place": TOWNS[n % 8]}
            yield Item(f"made-up:{n}", "text", str(n), metadata=metadata)


def main() -> None:
    """Build what is missing."""
    options = arguments(__doc__)
    for items in options.items:
        for kind in options.kinds:
            build(Data(options.cache, items, options.dim), kind)


if __name__ == "__main__":
    main()
