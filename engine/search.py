"""SearchEngine: the one class over encoder, store, index, tokens and reranker.

It coordinates; the work is in the modules it calls. It knows nothing of HTTP, of command lines, or
of terminals. Any number of threads may use one engine, and any number of processes one gallery, of
which one at a time writes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType

from engine.about import about
from engine.changes import Looking
from engine.detection import Finder
from engine.errors import BadInput, GalleryBusy, ItemNotFound
from engine.gallery import Gallery
from engine.grammar import parse
from engine.index import AUTO, Aim
from engine.ingest import add_batch
from engine.models import Model, check_key
from engine.opening import bind
from engine.options import Options
from engine.originals import Originals
from engine.pipeline import Opened, answer
from engine.regions import stored
from engine.rerankers import check_reranker
from engine.serving import Serving
from engine.store import Store
from engine.store.listing import Listing
from engine.store.rows import State
from engine.telling import Captioner, chosen_captioner
from engine.types import Budget, Fingerprint, Floats, Item, LabeledRegion, Outcome, Query, Report, Result

SAVE_AT_LEAST = 1000  # a generation is saved once it holds more new items than this,
SAVE_SHARE = 10  # and more than one in so many of it; or, when it is closed,
SAVE_SHARE_AT_CLOSE = 100  # more than one in so many: fewer are read from the store at the next opening


class SearchEngine:
    """A gallery opened for searching and adding."""

    def __init__(
        self, gallery: Gallery, store: Store, state: State, serve: Callable[[State], Serving], read_only: bool
    ) -> None:
        """Use `SearchEngine.open`."""
        self.path = gallery.path
        self._gallery = gallery
        self._store = store
        self._originals = Originals(gallery, store)
        self._read_only = read_only
        self._serve = serve
        self._serving = serve(state)
        self._switch_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._has_written = False

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        model: str | None = None,
        device: str | None = None,
        index: str | Aim = AUTO,
        reranker: str | None = None,
        read_only: bool = False,
        create: bool = True,
    ) -> SearchEngine:
        """Open the gallery at `path`, or make one there.

        `model` is needed for a new gallery only (default `mini`); `index` is a kind, by default that for the
        number of items, or an `engine.index.Aim`, with the recall and the memory wanted; `reranker`, a key of
        `engine.rerankers`, replaces the model's own. Raises
        `GalleryMismatch` for a gallery of another model or a newer Crosslight, `BadInput` for none at all.
        """
        if model is not None:
            check_key(model)
        aim = index if isinstance(index, Aim) else Aim(index)
        if reranker is not None:
            check_reranker(reranker)
        gallery = Gallery.at(Path(path), create=create and not read_only)
        store = Store(gallery.database, read_only=read_only)
        state = bind(gallery, store, model, read_only=read_only)
        serve = partial(Serving, gallery, store, device=device, index=aim, reranker=reranker)
        return cls(gallery, store, state, serve, read_only)

    def __enter__(self) -> SearchEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Save what was derived, if this engine has written, and let go of the gallery."""
        try:
            serving = self._serving
            unsaved = serving.generation.unsaved
            if self._has_written and unsaved > len(serving.generation) // SAVE_SHARE_AT_CLOSE:
                with suppress(GalleryBusy), self.writing():  # whoever is writing now will save
                    serving.save()
        finally:
            self._store.close()

    def __len__(self) -> int:
        return sum(self._store.counts().values())

    @property
    def model(self) -> str:
        """The key of the model whose vectors are searched."""
        return self._serving.key

    @property
    def store(self) -> Store:
        """The gallery's truth, for what else is kept or read there."""
        return self._store

    @property
    def read_only(self) -> bool:
        """Whether this engine may not change the gallery."""
        return self._read_only

    def encode(self, texts: Sequence[str]) -> Floats:
        """Return the vectors (n, dim) that the model makes of texts."""
        return self.load().encoder.encode_text(texts).vectors

    def load(self) -> Model:
        """Load the model now instead of at the first use; raises `GalleryMismatch` if it has changed."""
        return self.serving().load()

    def add(
        self,
        items: Iterable[Item | Path | str],
        *,
        batch_size: int = 32,
        ocr: bool = False,
        regions: Finder | None = None,
        captions: bool | str | Captioner = False,
        each: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Report:
        """Add items (a path is a picture file), committing batch by batch, and count what became of them.

        `each` is told what became of each item, in order, once its batch is committed; `ocr` reads text in
        pictures (an extra), `regions` is a detector that finds their regions, `captions` (a model, `True` for
        the bundled one) writes one for pictures without. A bad item is reported and the rest goes on. Raises
        `GalleryBusy` when another process is writing, `StorageFailed` when the disk is full; batches
        committed before stay.
        """
        report, remaining = Report(), iter(items)
        with self.writing():
            serving = self._current(self._state(), wait=True)
            looking = Looking(ocr, regions, chosen_captioner(captions))
            encoder = serving.load_to_write().encoder
            while batch := list(islice(remaining, batch_size)):
                outcomes = add_batch(batch, serving.store, self._gallery, encoder, looking)
                for outcome in outcomes:
                    report.count(outcome)
                    each(outcome)
            serving.refresh(self._state())
            if serving.generation.unsaved > max(SAVE_AT_LEAST, len(serving.generation) // SAVE_SHARE):
                serving.save()
        return report

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Stay the gallery's writer over several calls; each `add` and `remove` does so by itself.

        Raises `GalleryBusy` with the name of the process that writes already.
        """
        if self._read_only:
            raise BadInput(f"{self.path} was opened read-only; open it without read_only to change it")
        with self._write_lock, self._gallery.writing():
            self._has_written = True
            yield

    def remove(self, uris: Iterable[str]) -> int:
        """Remove items by uri, all or none; `ItemNotFound` names the first that is not there."""
        with self.writing():
            removed = self._store.remove(list(dict.fromkeys(uris)))
            state = self._state()
            self._current(state).refresh(state)
        return removed

    def get(self, item_id: int) -> Item:
        """Return an item by its id."""
        found = self._items([item_id])
        if item_id not in found:
            raise ItemNotFound(f"no item has the id {item_id}")
        return found[item_id]

    def find(self, uri: str) -> Item:
        """Return an item by its uri."""
        item_id = self._store.find(uri)
        if item_id is None:
            raise ItemNotFound(f"no item has the uri {uri}")
        return self.get(item_id)

    @property
    def listing(self) -> Listing:
        """Items in the order of their ids, and the values of their columns."""
        return Listing(self._store)

    def reindex(self) -> None:
        """Build the index of the model that is searched anew from the store, and exchange it as a whole."""
        with self.writing():
            self._current(self._state()).rebuild()

    def fingerprints(self, uris: Sequence[str]) -> dict[str, Fingerprint]:
        """Return, by uri, what tells whether the source of an item has changed."""
        return self._store.fingerprints(uris)

    def uris_under(self, prefix: str) -> Iterator[Sequence[str]]:
        """Yield, in pages, the uris that start with `prefix`; they may be removed meanwhile."""
        return self._store.uris_under(prefix)

    def regions(self, item_id: int) -> tuple[LabeledRegion, ...]:
        """Return the regions of an item's picture, surest first; none where nothing has looked for any."""
        return stored(self._store, [item_id], features=True).get(item_id, ())

    def open_picture(self, item_id: int) -> bytes:
        """Return the bytes of an item's picture; `ItemNotFound` where it is gone."""
        return self._originals.read(item_id)

    def thumbnail(self, item_id: int, size: int = 320) -> bytes:
        """Return an item's picture as WebP, its longer side at most `size` pixels."""
        return self._originals.thumbnail(item_id, size)

    def info(self) -> dict[str, object]:
        """Tell what the gallery holds and what it takes on disk (bytes)."""
        state = self._state()
        serving = self._current(state)
        serving.refresh(state)
        return about(self._gallery, self._store, state, serving)

    def passes(self) -> dict[str, tuple[int, int]]:
        """Tell, for texts and pictures, how often the encoder ran, and on how many in all."""
        return self._serving.passes()

    def search(
        self,
        query: str | Query,
        *,
        k: int = 10,
        filter: str | None = None,
        rerank: bool | Budget = True,
        explain: bool = False,
        group: bool = False,
        diversity: float = 0.0,
        page: str | None = None,
        precision: float | None = None,
        signals: Mapping[str, float] | None = None,
    ) -> Result:
        """Find the `k` items nearest to a query: recall by every signal, then cross-attention reranking.

        A string is read by `engine.grammar`. Pictures are searched where the gallery has any, unless the
        query says which kind it wants; `filter` is in the language of `engine.filters`; `signals` names
        the signals to ask and weighs them. Raises `BadInput` for a query or a filter that cannot be answered.
        """
        options = Options(k, filter, rerank, explain, group, diversity, page, precision, signals)
        state = self._state()
        opened = Opened(self._current(state), state, self._items, self.open_picture)
        return answer(parse(query) if isinstance(query, str) else query, options, opened)

    def serving(self) -> Serving:
        """Return the model and the index that are asked now; `engine.judging` takes them."""
        return self._current(self._state())

    def _items(self, ids: Sequence[int]) -> dict[int, Item]:
        found = self._store.items(ids, self._gallery.picture_path)
        return {item_id: item for item_id, (item, _) in found.items()}

    def _state(self) -> State:
        state = self._store.state()
        assert state is not None, "an open gallery has a state"
        return state

    def _current(self, state: State, *, wait: bool = False) -> Serving:
        """Return what is searched in that state, following a change of model by any process.

        While one thread loads the new model the others go on with the old one, unless they `wait`.
        """
        if state.model_id != self._serving.model_id and self._switch_lock.acquire(blocking=wait):
            try:
                if state.model_id != self._serving.model_id:  # else another thread was first
                    fresh = self._serve(state)
                    fresh.load()
                    fresh.refresh(state)
                    self._serving = fresh
            finally:
                self._switch_lock.release()
        return self._serving
