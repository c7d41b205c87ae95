"""Change a gallery's model while it serves: new vectors beside the old, a comparison, one exchange.

Nothing that is searched is touched until the exchange, which is one transaction; any process that has the
gallery open follows at its next search. A run that was cut short goes on where it was. Items that are added
or changed meanwhile are taken along, because what is left to do is always asked of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from engine.comparison import Comparison, compare
from engine.encoders import Encoder
from engine.errors import BadInput, BadPicture, GalleryMismatch
from engine.gallery import Gallery
from engine.generation import forget_model
from engine.index import Aim
from engine.models import load_model
from engine.pictures import load_picture
from engine.serving import Serving
from engine.store import Store
from engine.store.candidate import Candidate, Wanted, candidates
from engine.store.rows import State
from engine.types import Encoded, Signal

PAGE = 256  # vectors asked for at a time
BATCH = 32  # of them encoded at once, in one transaction, and
BATCH_PIXELS = 48_000_000  # fewer where the pictures are large
WORKERS = 4
Progress: TypeAlias = Callable[[int, int], None]  # vectors made, of how many


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: vectors made in this run, and why some could not be, by uri.

    `switched` says whether the new model is searched now; it is not where pictures are missing. `uncompared`
    says why two models could not be compared.
    """

    old: str
    new: str
    made: int
    missing: Mapping[str, str]
    comparison: Comparison | None
    switched: bool
    uncompared: str = ""


def migrate(
    path: Path,
    model: str,
    *,
    device: str | None = None,
    queries: Sequence[str] | None = None,
    allow_missing: bool = False,
    progress: Progress = lambda done, total: None,
) -> Migrated:
    """Make vectors of another model for every item, compare both models, and exchange them.

    The comparison asks `queries`, else captions, else texts, else pictures of the gallery. An item whose
    picture cannot be read any more keeps the gallery at its old model, unless `allow_missing`: then it is
    kept without a vector. The old vectors stay for `go_back` until `finish` or the next migration. Raises
    `BadInput` when there is nothing to change, `GalleryBusy` when another process migrates, or writes at the
    exchange.
    """
    with _opened(path) as (gallery, store, state):
        loaded = load_model(model, device)
        encoder = loaded.encoder
        if encoder.stamp == state.stamp:
            said = f"{path} is searched with these weights already (model {state.model})"
            if model != state.model:
                said = (
                    f"{model} searches the vectors of {state.model} as they are: there is nothing to change; "
                    f"name it when the gallery is opened: --model {model} of search and serve"
                )
            raise BadInput(said)
        candidate = Candidate.of_model(store, model, encoder.stamp, encoder.dim)
        _drop(gallery, [other for other in candidates(store) if other.model_id != candidate.model_id])
        run = _Run(gallery, store, candidate, progress, encoder)
        revision = store.revision()  # all that came later is caught up with by whoever opens the generation
        run.fill()
        if run.missing and not allow_missing:
            return Migrated(state.model, model, run.made, run.missing, None, switched=False)
        new_state = replace(state, model=model, model_id=candidate.model_id, stamp=encoder.stamp)
        old = Serving(gallery, store, state, device=device, index=None)
        aim = Aim(old.generation.kind, old.generation.recall)
        new = Serving(gallery, store, new_state, device=device, index=aim, loaded=loaded)
        old.refresh(state)
        new.generation.catch_up(new.store)
        compared = compare(old, new, queries)
        new.generation.revision = revision
        new.save()
        switched = run.switch(allow_missing)
        comparison, uncompared = (None, compared) if isinstance(compared, str) else (compared, "")
        return Migrated(state.model, model, run.made, run.missing, comparison, switched, uncompared)


def go_back(
    path: Path, *, device: str | None = None, progress: Progress = lambda done, total: None
) -> Migrated:
    """Search the model before the last migration again; what came since gets its vectors first."""
    with _opened(path) as (gallery, store, state):
        if state.previous_id is None:
            raise BadInput(f"{path} has no earlier model to go back to")
        candidate = Candidate(store, state.previous_id)
        run = _Run(gallery, store, candidate, progress, device=device)
        run.fill()
        switched = run.switch(allow_missing=True)
        return Migrated(state.model, candidate.described()[0], run.made, run.missing, None, switched)


def finish(path: Path) -> int:
    """Drop the vectors of every model but the one that is searched, and return how many there were."""
    with _opened(path) as (gallery, store, _):
        return _drop(gallery, candidates(store))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Gallery, Store, State]]:
    gallery = Gallery.at(path, create=False)
    with closing(Store(gallery.database)) as store, gallery.migrating():
        state = store.state()
        if state is None or state.stamp is None:
            raise BadInput(f"{path} has no vectors yet; choose its model with: crosslight index --model KEY")
        yield gallery, store, state


def _drop(gallery: Gallery, unwanted: Sequence[Candidate]) -> int:
    for candidate in unwanted:
        forget_model(gallery.generations, candidate.model_id)
    return sum(candidate.drop() for candidate in unwanted)


@dataclass
class _Run:
    """The making of one candidate's vectors."""

    gallery: Gallery
    store: Store
    candidate: Candidate
    progress: Progress
    encoder: Encoder | None = None  # loaded when it is needed
    device: str | None = None
    made: int = 0
    done: int = 0
    total: int = 0
    missing: dict[str, str] = field(default_factory=dict)

    def fill(self) -> None:
        """Make vectors until none is wanting but those of `missing`."""
        self.total, self.done = self.candidate.count()
        self.progress(self.done, self.total)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="read") as pool:
            while self._pass(pool):  # another pass takes what came during this one
                pass

    def switch(self, allow_missing: bool) -> bool:
        """Make what came last, while nobody can write, and exchange the models."""
        with self.gallery.writing():
            self.fill()
            return (allow_missing or not self.missing) and self.candidate.switch(allow_lacking=allow_missing)

    def _pass(self, pool: ThreadPoolExecutor) -> int:
        before = self.made
        ahead: tuple[list[Wanted], list[Future[Image.Image | str]]] | None = None
        for batch in self._batches():
            reading = batch, [pool.submit(self._read, wanted) for wanted in batch]
            if ahead is not None:
                self._make(*ahead)
            ahead = reading
        if ahead is not None:
            self._make(*ahead)
        return self.made - before

    def _batches(self) -> Iterator[list[Wanted]]:
        after, batch, pixels = None, list[Wanted](), 0
        while page := self.candidate.wanted(after, PAGE):
            for wanted in page:
                if wanted.uri in self.missing:
                    continue
                if batch and (len(batch) == BATCH or pixels + wanted.pixels > BATCH_PIXELS):
                    yield batch
                    batch, pixels = [], 0
                batch.append(wanted)
                pixels += wanted.pixels
            after = page[-1]
        if batch:
            yield batch

    def _read(self, wanted: Wanted) -> Image.Image | str:
        """Return what a vector is made of: the picture as it was indexed, or words."""
        if wanted.signal is not Signal.VISUAL:
            return wanted.text
        try:
            picture = load_picture(self.gallery.read_picture(wanted.picture or "", wanted.digest))
        except OSError as error:
            raise BadPicture(f"cannot be read any more: {error.strerror or error}") from error
        if picture.digest != wanted.digest:
            raise BadPicture("has changed since it was indexed; index it again")
        return picture.image

    def _make(self, batch: Sequence[Wanted], reading: Sequence[Future[Image.Image | str]]) -> None:
        sources: list[tuple[Wanted, Image.Image | str]] = []
        for wanted, future in zip(batch, reading, strict=True):
            try:
                sources.append((wanted, future.result()))
            except BadPicture as error:
                self.missing[wanted.uri] = str(error)
        if not sources:
            return
        made = self._encoded(sources)
        self.candidate.keep([(wanted, made[_content(wanted)]) for wanted, _ in sources])
        self.made += len(sources)
        self.done += len(sources)
        self.progress(self.done, self.total)

    def _encoded(self, sources: Sequence[tuple[Wanted, Image.Image | str]]) -> dict[tuple[str, str], Encoded]:
        """Encode each content once, however many uris it has and whichever batches they are in."""
        encoder = self._load()
        made = self.store.of(self.candidate.model_id).embeddings_of(wanted.digest for wanted, _ in sources)
        new = {_content(wanted): source for wanted, source in sources if _content(wanted) not in made}
        pictures = {content: source for content, source in new.items() if not isinstance(source, str)}
        texts = {content: source for content, source in new.items() if isinstance(source, str)}
        if pictures:
            made |= _rows(pictures, encoder.encode_image(list(pictures.values())))
        if texts:
            made |= _rows(texts, encoder.encode_text(list(texts.values())))
        return made

    def _load(self) -> Encoder:
        if self.encoder is None:
            key, stamp = self.candidate.described()
            self.encoder = load_model(key, self.device).encoder
            if self.encoder.stamp != stamp:
                raise GalleryMismatch(
                    f"{self.gallery.path} has vectors of {key} as it was ({stamp}), the weights here are "
                    f"others ({self.encoder.stamp}); use: crosslight migrate --model {key}"
                )
        return self.encoder


def _content(wanted: Wanted) -> tuple[str, str]:
    """Return what a vector is made of: an item by its kind and digest, a caption by its words."""
    if wanted.signal is Signal.VISUAL:
        return "image", wanted.digest
    return ("text", wanted.digest) if wanted.picture is None else ("caption", wanted.text)


def _rows(contents: Iterable[tuple[str, str]], encoded: Encoded) -> dict[tuple[str, str], Encoded]:
    """Give each content its row; no reranker reads the tokens of captions, so none are kept."""
    rows = {content: encoded.row(place) for place, content in enumerate(contents)}
    return {c: Encoded(row.vectors) if c[0] == "caption" else row for c, row in rows.items()}
