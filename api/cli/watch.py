"""`crosslight watch`: keep a gallery as its folders are, while they change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.index import OcrOption, show_report, stop_on_interrupt
from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import guarded, note, show_json
from engine.errors import BadInput, GalleryBusy
from engine.types import Report

if TYPE_CHECKING:
    from engine import SearchEngine

LONGEST = 10
LOOK_MS = 500  # how often it looks whether to stop
BUSY_SECONDS = 2.0  # before a gallery that another process writes to is tried again

FoldersArgument = Annotated[
    list[Path],
    typer.Argument(metavar="DIR...", help="Folders of pictures.", exists=True, file_okay=False),
]
DebounceOption = Annotated[
    float, typer.Option("--debounce", metavar="SECONDS", min=0.1, help="How long changes are collected.")
]


@guarded
def watch(
    folders: FoldersArgument,
    gallery: GalleryOption = DEFAULT_GALLERY,
    debounce: DebounceOption = 1.0,
    ocr: OcrOption = False,
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index folders, then index again what changes in them, until Ctrl-C.

    What is gone from the folders leaves the gallery. It remembers nothing of its own: killed at any moment
    and started again, it catches up first.
    """
    from engine import SearchEngine

    _check_installed()
    with stop_on_interrupt() as stop, SearchEngine.open(gallery, model=model, device=device) as engine:
        job = _Job(engine, [folder.resolve() for folder in folders], ocr, as_json, stop)
        changes = job.changes(debounce)
        next(changes, None)  # it listens before it looks, so that nothing is missed
        job.index(job.folders, sync=True)
        for paths, gone in changes:
            job.index(job.folders if gone else paths, sync=gone)


class _Job:
    """One gallery, and the folders it follows."""

    def __init__(
        self, engine: SearchEngine, folders: list[Path], ocr: bool, as_json: bool, stop: Event
    ) -> None:
        self.engine = engine
        self.folders = folders
        self._ocr = ocr
        self._as_json = as_json
        self._stop = stop
        self._own = engine.path.resolve()

    def changes(self, quiet: float) -> Iterator[tuple[list[Path], bool]]:
        """Yield nothing as soon as it listens; then the pictures that changed, and whether something is gone.

        Changes are collected until none has come for `quiet` seconds, or for LONGEST times as long.
        """
        from watchfiles import Change, watch

        for every in watch(
            *self.folders,
            watch_filter=None,  # else nothing is yielded while the gallery itself is read and written
            debounce=round(1000 * LONGEST * quiet),
            step=round(1000 * quiet),
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            raise_interrupt=False,
        ):
            changed = [(change, name) for change, name in every if self._is_wanted(name)]
            gone = any(change is Change.deleted for change, _ in changed)
            yield sorted({path for _, name in changed for path in _pictures(Path(name))}), gone

    def index(self, sources: list[Path], *, sync: bool) -> None:
        """Index, wait where another process is writing, and tell what was done."""
        from api.documents import report_document
        from indexer import index

        if not sources:
            return
        start, report = time.perf_counter(), Report()
        while not self._stop.is_set():
            try:
                there = [path for path in sources if path.exists()]
                index(self.engine, there, sync=sync, ocr=self._ocr, report=report, stop=self._stop)
                break
            except GalleryBusy as error:
                note(f"{error}; trying again")
                self._stop.wait(BUSY_SECONDS)
        if self._as_json:
            show_json(report_document(report))
        elif report != Report():
            show_report(report, self.engine.path, time.perf_counter() - start)

    def _is_wanted(self, name: str) -> bool:
        """Leave out hidden names, the gallery itself, and files that are neither pictures nor captions."""
        from indexer.sources.folder import is_picture
        from indexer.sources.sidecars import SUFFIXES

        path = Path(name)
        inner = next(path.relative_to(top) for top in self.folders if path.is_relative_to(top))
        hidden = any(part.startswith(".") or part.endswith(".gallery") for part in inner.parts)
        if hidden or path.is_relative_to(self._own):
            return False
        return is_picture(name) or path.suffix in SUFFIXES or not path.suffix or path.is_dir()


def _pictures(path: Path) -> list[Path]:
    """Name what to index when a path has changed: itself, or the pictures that it describes."""
    from indexer.sources.folder import is_picture, walk
    from indexer.sources.sidecars import SUFFIXES

    if path.suffix not in SUFFIXES:
        return [path] if is_picture(path.name) or (path.is_dir() and any(walk([path]))) else []
    with suppress(OSError):
        beside = [one for one in path.parent.iterdir() if is_picture(one.name)]
        return [one for one in beside if path.name in (one.stem + path.suffix, one.name + path.suffix)]
    return []


def _check_installed() -> None:
    if find_spec("watchfiles") is None:
        raise BadInput("watching needs a package that is not here: pip install 'crosslight[watch]'")
