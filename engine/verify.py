"""Check a gallery against itself: the database, what is derived from it, and the files it keeps.

The store is the truth. A problem that `repair` can mend is one of what is derived: it is thrown away
and made again from the store, without the model.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import checksums
from engine.files import disk_errors
from engine.gallery import UPLOAD_SCHEME, Gallery
from engine.generation import Generation, View, latest, target_of, unusable
from engine.index import AUTO
from engine.saved import model_of, read
from engine.store import Store
from engine.store.health import integrity, mend_words, pictures, uncaptioned, without_embeddings, words_astray
from engine.store.rows import State
from engine.types import PLACES, Encoded, Floats, Ids, Place

HEADER = "header.json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be, and whether it can be mended from the store."""

    where: str
    what: str
    mendable: bool


def verify(path: Path, *, repair: bool = False) -> list[Problem]:
    """Find what is wrong with the gallery at `path`; `repair` then makes anew what can be made anew.

    It needs no model. Others may search meanwhile, and add unless it repairs (`GalleryBusy`).
    """
    gallery = Gallery.at(path, create=False)
    with closing(Store(gallery.database)) as store:
        state = store.state()
        if state is None:
            return [Problem(str(gallery.database), "holds no gallery yet", mendable=False)]
        generation, found = _saved(gallery.generations, state)
        generation.catch_up(store)
        found += problems(store, gallery, generation)
        if repair and any(problem.mendable for problem in found):
            with gallery.writing(), disk_errors(path):
                mend_words(store)
                shutil.rmtree(gallery.generations, ignore_errors=True)
                fresh = Generation(generation.kind, state.model_id, recall=generation.recall)
                fresh.catch_up(store)
                checksums.save(fresh.settled(), gallery.generations, state.gallery)
        return found


def problems(store: Store, gallery: Gallery, generation: Generation) -> Iterator[Problem]:
    """Yield what is wrong with the database, the generation (caught up before), and the kept files."""
    for line in integrity(store):
        yield Problem(str(store.path), line, mendable=False)
    for item_id, uri in without_embeddings(store):
        yield Problem(uri, f"item {item_id} has no vector; index it again", mendable=False)
    for _, uri in uncaptioned(store):
        yield Problem(uri, "its caption has no vector; index it again", mendable=False)
    for item_id in words_astray(store):
        yield Problem(
            f"item {item_id}", "its words are not laid out for search as it has them", mendable=True
        )
    yield from _derived(store, generation)
    yield from _uploads(store, gallery)


def _saved(generations: Path, state: State) -> tuple[Generation, list[Problem]]:
    """Read all that was saved in full; return the newest generation, empty where one is damaged."""
    cut = unusable(generations, state)
    paths = [path for path in sorted(generations.glob("[0-9]*.*")) if path.name not in cut]
    changed = [(path, name) for path in paths for name in checksums.changed_files(path)]
    found = [Problem(f"generation {name}", f"is {wrong}", mendable=True) for name, wrong in cut.items()]
    found += [
        Problem(f"generation {path.name}", f"{name} is not as it was written", mendable=True)
        for path, name in changed
    ]
    if not changed:
        return latest(generations, state, None), found
    return _like(changed, state), found  # what is damaged is not loaded


def _like(changed: Sequence[tuple[Path, str]], state: State) -> Generation:
    """Return an empty generation that is to be what a damaged one was, if the header of that is whole."""
    for path, _ in changed:
        header = read(path, state.gallery, state.revision).header
        if header is not None and model_of(path) == state.model_id and (path, HEADER) not in changed:
            return Generation(header["index"], state.model_id, recall=target_of(header))
    return Generation(AUTO, state.model_id)


def _derived(store: Store, generation: Generation) -> Iterator[Problem]:
    """Compare every vector and every token of the generation with the store's."""
    seen: dict[Place, list[Ids]] = {place: [] for place in PLACES.values()}
    held = {place: dict(zip(*_contents(view), strict=True)) for place, view in generation.views.items()}
    with store.changes(0) as changes:
        for ids, place, encoded in changes.embeddings:
            seen[place].append(ids)
            view = generation.views.get(place)
            if view is None:
                yield Problem(f"index of {_name(place)}", "there is none", mendable=True)
                return
            yield from _different(view, held[place], ids, encoded)
    for place in generation.views:
        known = np.concatenate([np.empty(0, dtype=np.int64), *seen[place]])
        extra = held[place].keys() - set(known.tolist())
        if extra:
            yield Problem(f"index of {_name(place)}", f"{len(extra)} more than in the store", mendable=True)


def _name(place: Place) -> str:
    return next(name for name, known in PLACES.items() if known == place)


def _contents(view: View) -> tuple[list[int], Floats]:
    ids, vectors = view.index.contents()
    return ids.tolist(), vectors


def _different(view: View, held: dict[int, Floats], ids: Ids, encoded: Encoded) -> Iterator[Problem]:
    for place, item_id in enumerate(ids.tolist()):
        vector = encoded.vectors[place]
        if not np.isfinite(vector).all() or not vector.any():
            yield Problem(f"item {item_id}", "its stored vector is damaged; index it again", mendable=False)
        elif item_id not in held:
            yield Problem(f"item {item_id}", "is missing from the index", mendable=True)
        elif not np.allclose(held[item_id], vector / np.linalg.norm(vector), atol=1e-5):
            yield Problem(f"item {item_id}", "has another vector in the index", mendable=True)
        elif encoded.tokens is not None and not _same_tokens(view, item_id, encoded.row(place)):
            yield Problem(f"item {item_id}", "has other tokens than the store", mendable=True)


def _same_tokens(view: View, item_id: int, stored: Encoded) -> bool:
    if view.tokens is None or item_id not in view.tokens:
        return False
    assert stored.tokens is not None and stored.lengths is not None
    tokens, lengths = view.tokens.read(np.array([item_id]))
    return bool(np.array_equal(tokens, stored.tokens) and np.array_equal(lengths, stored.lengths))


def _uploads(store: Store, gallery: Gallery) -> Iterator[Problem]:
    """Check the pictures that the gallery itself keeps against their digests."""
    for uri, picture, digest in pictures(store, UPLOAD_SCHEME):
        path = gallery.picture_path(picture)
        try:
            assert path is not None
            if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                yield Problem(uri, f"{path} is damaged; add the picture again", mendable=False)
        except OSError as error:
            yield Problem(
                uri, f"{path} cannot be read: {error.strerror}; add the picture again", mendable=False
            )
