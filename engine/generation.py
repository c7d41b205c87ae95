"""A generation: the index and the tokens of every signal, at one revision of the store.

It is derived. It takes everything it holds from the store, by revision, so one path serves a new
gallery, the writer's own additions, another process's, and a rebuild after files were lost. On disk
a generation is a directory named by its model and its revision, MODEL.REVISION:

    header.json          gallery, model, revision, schema, index kind, and a print of each file; written last
    PLACE.ids.npy        (n,) int64, the item of each row, -1 where it is gone
    PLACE.index          the vectors, as FAISS writes them, and beside an approximate index
    PLACE.vectors.npy    (n, dim) float32, memory-mapped, and PLACE.cells.npz, where they lie (index/cells.py)
    PLACE.tokens.npy     (n, T, D) int8, memory-mapped; with PLACE.lengths.npy, (n,) int16
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.files import file_print, sync
from engine.filters import parse
from engine.index import AUTO, PROBED, TARGET, Aim, Choice, Index, bitmap_of, make_index
from engine.lexical import Lexicon
from engine.memory import allowed_memory
from engine.saved import SCHEMA, drop, model_of, read, saved
from engine.store import Store
from engine.store.rows import State
from engine.tokens import TokenStore
from engine.types import PLACES, Bitmap, Encoded, Ids, Place

KEPT_BITMAPS = 32
MEMORY_SHARE = 4  # an index may take one part in so many of the memory that a process may have
logger = logging.getLogger(__name__)


@dataclass
class View:
    """What one place has: an index, and tokens where the model makes them."""

    index: Index
    tokens: TokenStore | None = None
    choice: Choice | None = None  # of the autopilot, once it has built this index
    rows: OrderedDict[str, Bitmap] = field(default_factory=OrderedDict)  # that filters name, latest used last

    def named(self, filter_text: str, bitmap: Bitmap) -> Bitmap:
        """Return which rows of the index a filter names, whose bitmap is given; see `Index.rows`."""
        return _kept(self.rows, filter_text, lambda: self.index.rows(bitmap))


@dataclass
class Generation:
    """Index and tokens by place, a signal of a kind of item, of one model, at one revision of the store.

    `kind`, `recall` and `memory` are what its indexes are to be: see `Aim`.
    """

    kind: str
    model_id: int
    revision: int = 0
    views: dict[Place, View] = field(default_factory=dict)
    unsaved: int = 0
    newest: int = 0  # the highest id that was ever taken in
    bitmaps: OrderedDict[str, Bitmap] = field(default_factory=OrderedDict)  # of filters, latest used last
    lexicon: Lexicon = field(default_factory=Lexicon)
    shares: dict[str, float] = field(default_factory=dict)  # of the items that each filter allows, estimated
    recall: float = TARGET
    memory: int | None = None

    def aim(self, aim: Aim) -> None:
        """Have the indexes settled so from the next time on, for which another recall is reason enough."""
        self.memory = aim.memory
        if aim.recall is not None and aim.recall != self.recall:
            self.recall = aim.recall
            self.unsaved += len(self)
            for view in self.views.values():
                view.choice = None

    def catch_up(self, store: Store) -> None:
        """Take in everything that was committed after this generation's revision."""
        with store.changes(self.revision) as changes:
            for view in self.views.values():
                _remove(view, np.concatenate([changes.removed, changes.written]))
                view.rows.clear()
            for ids, place, encoded in changes.embeddings:
                self._put(place, ids, encoded)
                self.newest = max(self.newest, int(ids.max()))
                self.unsaved += len(ids)
            self.unsaved += len(changes.removed)
            self.revision = changes.revision
            self.bitmaps.clear()
            self.lexicon = Lexicon()
            self.shares.clear()

    def bitmap(self, filter_text: str, store: Store) -> Bitmap:
        """Return which items a filter names, from the store or as it was found at this revision."""
        return _kept(self.bitmaps, filter_text, lambda: bitmap_of(store.matching(parse(filter_text))))

    def __len__(self) -> int:
        return sum(self.held().values())

    def held(self) -> dict[Place, int]:
        """Count the items of each place."""
        return {place: len(view.index) for place, view in self.views.items()}

    def _put(self, place: Place, ids: Ids, encoded: Encoded) -> None:
        if place not in self.views:
            start = "exact" if self.kind == "exact" else "flat"
            self.views[place] = View(make_index(start, encoded.vectors.shape[1]))
        view = self.views[place]
        sound = np.isfinite(encoded.vectors).all(axis=1) & encoded.vectors.any(axis=1)
        if not sound.all():
            logger.warning("items %s have damaged vectors and are left out", ids[~sound].tolist())
        view.index.add(ids[sound], encoded.vectors[sound])
        if encoded.tokens is not None and encoded.lengths is not None:
            view.tokens = view.tokens or TokenStore()
            view.tokens.put(ids, encoded.tokens, encoded.lengths)

    def described(self) -> dict[str, object]:
        """Tell of each place's index its kind and, once it was settled, why and how well it finds."""
        return {
            name: {
                "items": len(view.index),
                **(asdict(view.choice) if view.choice else {}),
                "kind": view.index.kind,
                "target": self.recall,
            }
            for name, view in self._named()
        }

    def _named(self) -> Iterator[tuple[str, View]]:
        return ((name, self.views[place]) for name, place in PLACES.items() if place in self.views)

    def settled(self) -> Generation:
        """Return the same with the index that its size calls for in each place, measured.

        This one stays as it is, and may be searched meanwhile.
        """
        from engine.index.autopilot import settled

        memory = self.memory or allowed_memory() // MEMORY_SHARE
        views = dict(self.views)
        for place, view in self.views.items():
            if len(view.index):
                others = [v.index.sample(PROBED) for v in self.views.values() if v is not view]
                queries = np.concatenate([np.empty((0, view.index.dim), dtype=np.float32), *others])
                index, choice = settled(view.index, self.kind, memory, queries, view.choice, self.recall)
                views[place] = View(index, view.tokens, choice)
        return replace(self, views=views)

    def save(self, directory: Path, gallery: str) -> None:
        """Write this generation below `directory`, whole or not at all, and drop its model's older ones.

        From then on it is read from there, mapped: what a writer holds in memory is what came since.
        """
        target = directory / f"{self.model_id}.{self.revision}"
        header = read(target, gallery, self.revision).header
        same = header is not None and (header["index"], target_of(header)) == (self.kind, self.recall)
        if self.unsaved or not same:
            aside = directory / f".{target.name}.{os.getpid()}.new"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            try:
                self._write(aside, gallery)
                if target.exists():  # and is another, or cannot be used
                    drop(target)
                aside.rename(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        header = read(target, gallery, self.revision).header
        if header is not None:
            self.views = _load(target, header).views
        self.unsaved = 0
        for other in directory.iterdir():
            if other != target and model_of(other) in (self.model_id, None):
                drop(other)

    def _write(self, directory: Path, gallery: str) -> None:
        for name, view in self._named():
            if len(view.index):
                _save_view(view, directory / name)
        for file in directory.iterdir():
            sync(file)
        header = {
            "schema": SCHEMA,
            "gallery": gallery,
            "model": self.model_id,
            "revision": self.revision,
            "index": self.kind,
            "recall": self.recall,
            "places": {name: _described(view) for name, view in self._named() if len(view.index)},
            "files": {file.name: file_print(file) for file in sorted(directory.iterdir())},
        }
        path = directory / "header.json"
        path.write_text(json.dumps(header, indent=1), "utf-8")
        sync(path)
        sync(directory)


def _kept(known: OrderedDict[str, Bitmap], name: str, make: Callable[[], Bitmap]) -> Bitmap:
    """Return what is known under a name, made where it is not; what was used longest ago is forgotten."""
    if name not in known:
        known[name] = make()
    known.move_to_end(name)
    while len(known) > KEPT_BITMAPS:
        known.popitem(last=False)
    return known[name]


def latest(directory: Path, state: State, kind: str | None) -> Generation:
    """Load the newest generation that is whole, of this gallery and its model, and no newer than the store.

    `kind` is the kind of index wanted, `None` any. Where there is none, return an empty one: catching
    up then rebuilds it from the store.
    """
    for found in saved(directory, state):
        wrong = found.wrong
        if found.header is not None and kind in (None, found.header["index"]):
            try:
                return _load(found.path, found.header)
            except Exception as error:  # the bytes of files, of which prints saw a part: anything may come
                wrong = f"changed: it cannot be loaded ({error})"
        if wrong:
            logger.warning(
                "generation %s is %s; it is not used, and the index is made from the store at each opening "
                "until one is saved: crosslight verify --repair --gallery %s",
                found.path.name,
                wrong,
                directory.parent,
            )
    return Generation(kind or AUTO, state.model_id)


def unusable(directory: Path, state: State) -> dict[str, str]:
    """Say, by name, what is wrong with the generations of the gallery's model that cannot be used."""
    return {found.path.name: found.wrong for found in saved(directory, state) if found.wrong}


def forget_model(directory: Path, model_id: int) -> None:
    """Remove the generations of a model."""
    for path in directory.glob("*.*"):
        if model_of(path) == model_id:
            drop(path)


def _load(directory: Path, header: dict[str, Any]) -> Generation:
    generation = Generation(header["index"], header["model"], header["revision"], recall=target_of(header))
    for name, described in header["places"].items():
        stem = directory / name
        ids: Ids = np.load(_with(stem, "ids.npy"))
        choice = Choice(**described["choice"])
        view = View(make_index(choice.kind, described["dim"], choice), choice=choice)
        view.index.load(stem, ids)
        generation.newest = max(generation.newest, int(ids.max()))
        if _with(stem, "tokens.npy").exists():
            view.tokens = TokenStore()
            view.tokens.load(_with(stem, "tokens.npy"), _with(stem, "lengths.npy"), ids)
        generation.views[PLACES[name]] = view
    return generation


def target_of(header: dict[str, Any]) -> float:
    """Return the recall that a generation's indexes were to reach; galleries of before had no say in it."""
    return float(header.get("recall", TARGET))


def _described(view: View) -> dict[str, Any]:
    assert view.choice is not None, "a generation is settled before it is saved"
    return {"dim": view.index.dim, "choice": asdict(view.choice)}


def _save_view(view: View, stem: Path) -> None:
    ids = view.index.save(stem)
    with _with(stem, "ids.npy").open("wb") as file:
        np.save(file, ids)
    if view.tokens is not None:
        view.tokens.save(_with(stem, "tokens.npy"), _with(stem, "lengths.npy"), ids)


def _remove(view: View, ids: Ids) -> None:
    if len(ids):
        view.index.remove(ids)
        if view.tokens is not None:
            view.tokens.remove(ids)


def _with(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}.{suffix}")
