"""The pipeline: source -> skip the unchanged -> decode in threads -> batches -> the gallery.

Decoding runs ahead of the model, bounded in pictures and in pixels, so memory stays flat, and the
order of the source is kept. It prints nothing: it calls `progress` and fills a `Report`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from engine.changes import Looking
from engine.detection import Finder
from engine.telling import chosen_captioner
from engine.types import Item, Report
from indexer.ahead import WORKERS, Ahead
from indexer.decode import Decoded
from indexer.sources import Source, read_all
from indexer.sources.extent import Extent
from indexer.sources.found import Found, LeftOut, PictureBytes, Reading
from indexer.sync import check_sync, remove_gone
from indexer.unchanged import Seen, again_reason, is_unchanged, new_place

if TYPE_CHECKING:
    from engine.search import SearchEngine

BATCH = 32  # pictures the model sees at once
BATCH_PIXELS = 48_000_000  # a batch of large pictures is smaller: 144 MB of RGB, or one picture
FINGERPRINTS = 256  # things asked about at a time,
FINGERPRINT_BYTES = 64_000_000  # fewer where they are pictures in memory

# How many of the things found are done, and how many there are: of folders counted, of other sources
# estimated from what has been read of them, so that it changes; `None` before.
Progress: TypeAlias = Callable[[int, int | None], None]


def index(
    engine: SearchEngine,
    sources: Sequence[Source],
    *,
    reading: Reading | None = None,
    sync: bool = False,
    ocr: bool = False,
    regions: Finder | None = None,
    captions: bool | str = False,
    progress: Progress | None = None,
    report: Report | None = None,
    stop: Event | None = None,
) -> Report:
    """Bring what the sources hold into the gallery, batch by batch.

    With `sync`, pictures that are gone from a folder or a tar leave the gallery at the end; with `ocr`,
    the text in pictures is read, also in those that were indexed without; so are their regions found, with
    a detector for `regions`, and captions written where there is none, with `captions` (a model, or `True`
    for the bundled one).
    `report` is filled as batches are committed, so it is true even when this raises. Setting
    `stop` ends the run after the batch in hand; the next run goes on from there.
    """
    if sync:
        check_sync(sources)
    found_in_order, extent = read_all(sources, reading or Reading())
    looking = Looking(ocr, regions, chosen_captioner(captions))
    run = _Run(engine, report if report is not None else Report(), progress, extent, looking)
    with engine.writing():  # from the first item to the last, so that no other run comes between
        _ingest(run, found_in_order, stop or Event())
        if sync and not (stop and stop.is_set()):
            remove_gone(engine, sources, run.report)
    return run.report


def _ingest(run: _Run, found_in_order: Iterator[Found], stop: Event) -> None:
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="decode") as pool:
        ahead = Ahead(pool)
        try:
            for found in _changed(run, found_in_order):
                while ahead.is_full and not stop.is_set():
                    run.take(ahead.pop())
                if stop.is_set():
                    return
                ahead.push(found)
            while ahead and not stop.is_set():
                run.take(ahead.pop())
            if not stop.is_set():
                run.commit()
        finally:
            ahead.cancel()


@dataclass(slots=True)
class _Run:
    """One run: the batch in hand, and what has been done."""

    engine: SearchEngine
    report: Report
    progress: Progress | None
    extent: Extent
    looking: Looking
    done: int = 0
    batch: list[Item] = field(default_factory=list)
    pixels: int = 0

    def advance(self, files: int) -> None:
        self.done += files
        if self.progress is not None:
            total = self.extent.total
            self.progress(self.done, None if total is None else max(total, self.done))

    def take(self, decoded: Decoded) -> None:
        """Put a decoded picture into the batch, and what is missing of it, or all, into the report."""
        if decoded.reason:
            self.report.failed[decoded.uri] = decoded.reason
        if decoded.item is None:
            self.advance(1)
            return
        if self.batch and self.pixels + decoded.pixels > BATCH_PIXELS:
            self.commit()
        self.batch.append(decoded.item)
        self.pixels += decoded.pixels
        if len(self.batch) == BATCH:
            self.commit()

    def commit(self) -> None:
        """Encode the batch in hand and commit it."""
        batch, self.batch, self.pixels = self.batch, [], 0
        if batch:
            self.report.merge(self._add(batch))
            self.advance(len(batch))

    def _add(self, batch: list[Item]) -> Report:
        looking = self.looking
        captions = looking.captioner or False
        return self.engine.add(
            batch, batch_size=BATCH, ocr=looking.ocr, regions=looking.detector, captions=captions
        )


def _changed(run: _Run, things: Iterator[Found]) -> Iterator[Found]:
    """Leave out what the gallery has as it is now, and what came before in this run."""
    seen = Seen()
    for chunk in _chunks(things):
        stored = run.engine.fingerprints([found.uri for found in chunk])
        places: dict[str, tuple[int, str]] = {}
        for found in chunk:
            again, before = seen.again(found), stored.get(found.uri)
            reason = found.reason if isinstance(found, LeftOut) else again_reason(again) if again else ""
            if reason:
                run.report.failed.setdefault(found.uri, reason)  # why the first failed says more
                run.advance(1)
            elif again is not None or is_unchanged(found, before, run.looking):
                place = new_place(found, before) if again is None else None
                places |= {found.uri: place} if place else {}
                run.report.unchanged += 1
                run.advance(1)
            else:
                yield found
        if places:
            run.engine.store.put_places(places)


def _chunks(things: Iterator[Found]) -> Iterator[list[Found]]:
    chunk: list[Found] = []
    held = 0
    for found in things:
        chunk.append(found)
        held += len(found.data) if isinstance(found, PictureBytes) else 0
        if len(chunk) == FINGERPRINTS or held > FINGERPRINT_BYTES:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
