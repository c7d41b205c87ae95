"""The pipeline: source -> skip the unchanged -> decode in threads -> batches -> the gallery.

Decoding runs ahead of the model, bounded in pictures and in pixels, so memory stays flat, and the
order of the source is kept. It prints nothing: it calls `progress` and fills a `Report`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from engine.errors import EngineError
from engine.pictures import FORMATS, load_picture
from engine.types import Item, Report
from indexer.sources import Found, PictureFile, Unreadable, check_sources, count, read_captions, walk

if TYPE_CHECKING:
    from engine.search import SearchEngine

BATCH = 32  # pictures the model sees at once
BATCH_PIXELS = 48_000_000  # a batch of large pictures is smaller: 144 MB of RGB, or one picture
AHEAD = 2 * BATCH  # pictures decoded, or being decoded, that the model has not taken yet
AHEAD_PIXELS = 96_000_000
FINGERPRINTS = 256  # files asked about at a time
WORKERS = min(8, (os.cpu_count() or 1) + 1)

Progress: TypeAlias = Callable[
    [int, int], None
]  # how many of the files found are done, and how many there are


def index(
    engine: SearchEngine,
    sources: Sequence[Path],
    *,
    progress: Progress | None = None,
    report: Report | None = None,
    stop: Event | None = None,
) -> Report:
    """Bring the pictures of the sources into the gallery, batch by batch.

    `report` is filled as batches are committed, so it is true even when this raises. Setting
    `stop` ends the run after the batch in hand; the next run goes on from there.
    """
    check_sources(sources)
    run = _Run(engine, report if report is not None else Report(), progress, count(sources))
    stop = stop or Event()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="decode") as pool:
        ahead = _Ahead(pool)
        try:
            for found in _changed(run, walk(sources)):
                pixels = _count_pixels(found)
                while ahead.is_full(pixels) and not stop.is_set():
                    run.take(ahead.pop())
                if stop.is_set():
                    return run.report
                ahead.push(found, pixels)
            while ahead and not stop.is_set():
                run.take(ahead.pop())
            if not stop.is_set():
                run.commit()
        finally:
            ahead.cancel()
    return run.report


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A file after decoding: the item, or the reason why there is none."""

    uri: str
    pixels: int
    item: Item | None = None
    reason: str = ""


@dataclass(slots=True)
class _Run:
    """One run: the batch in hand, and what has been done."""

    engine: SearchEngine
    report: Report
    progress: Progress | None
    total: int
    done: int = 0
    batch: list[Item] = field(default_factory=list)
    pixels: int = 0

    def advance(self, files: int) -> None:
        self.done += files
        if self.progress is not None:
            self.progress(self.done, max(self.total, self.done))

    def take(self, decoded: _Decoded) -> None:
        """Put a decoded picture into the batch, or a failed one into the report."""
        if decoded.item is None:
            self.report.failed[decoded.uri] = decoded.reason
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
            self.report.merge(self.engine.add(batch, batch_size=BATCH))
            self.advance(len(batch))


class _Ahead:
    """Files that are being decoded ahead of the model, in the order of the source."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: deque[tuple[int, Future[_Decoded]]] = deque()
        self._pixels = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def is_full(self, pixels: int) -> bool:
        """Say whether a picture of so many pixels has to wait. One always fits."""
        if not self._waiting:
            return False
        return len(self._waiting) >= AHEAD or self._pixels + pixels > AHEAD_PIXELS

    def push(self, found: Found, pixels: int) -> None:
        self._waiting.append((pixels, self._pool.submit(_decode, found, pixels)))
        self._pixels += pixels

    def pop(self) -> _Decoded:
        """Wait for the first one."""
        pixels, future = self._waiting.popleft()
        self._pixels -= pixels
        return future.result()

    def cancel(self) -> None:
        for _, future in self._waiting:
            future.cancel()


def _changed(run: _Run, files: Iterator[Found]) -> Iterator[Found]:
    """Leave out the pictures that the gallery has as they are now."""
    while chunk := list(islice(files, FINGERPRINTS)):
        stored = run.engine.fingerprints([found.uri for found in chunk])
        taken: set[str] = set()
        for found in chunk:
            if isinstance(found, PictureFile) and (found.uri in taken or _is_unchanged(run, found, stored)):
                run.report.unchanged += 1
                run.advance(1)
            else:
                taken.add(found.uri)  # two links to one picture in one folder are one picture
                yield found


def _is_unchanged(run: _Run, found: PictureFile, stored: dict[str, tuple[int, int]]) -> bool:
    if stored.get(found.uri) != (found.size, found.mtime_ns):
        return False
    if found.caption is None:
        return True
    try:
        return run.engine.find(found.uri).text == _caption(found.caption)
    except (EngineError, OSError):
        return False  # decoding meets the same and says what it is


def _count_pixels(found: Found) -> int:
    """Read the size of a picture from its first bytes; 0 when that fails, for decoding says why."""
    if isinstance(found, Unreadable):
        return 0
    try:
        with Image.open(found.path, formats=tuple(FORMATS)) as picture:
            return picture.width * picture.height
    except Exception:  # hostile bytes raise many types; this is the edge of one item
        return 0


def _decode(found: Found, pixels: int) -> _Decoded:
    """Decode one file, in a thread. Whatever goes wrong is this file's reason, and the rest goes on."""
    if isinstance(found, Unreadable):
        return _Decoded(found.uri, pixels, reason=found.reason)
    try:
        caption = _caption(found.caption) if found.caption is not None else None
        picture = load_picture(found.path)
        return _Decoded(found.uri, pixels, Item(uri=found.uri, text=caption, picture=picture))
    except Exception as error:
        return _Decoded(found.uri, pixels, reason=str(error) or type(error).__name__)


def _caption(path: Path) -> str | None:
    return "\n".join(read_captions(path)) or None
