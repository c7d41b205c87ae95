"""`crosslight index`: bring pictures into a gallery."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Annotated, Any

import typer
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import INTERRUPTED, fail, guarded, name_of, note, plain, show_json, stdout
from engine.errors import EngineError
from engine.types import Report

FAILURES_SHOWN = 20
STOPPING = b"\nstopping after the batch in hand; Ctrl-C again stops at once\n"

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE...", help="Folders of pictures, or picture files.", show_default=False),
]


@guarded
def index(
    sources: Sources,
    gallery: GalleryOption = DEFAULT_GALLERY,
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring pictures into a gallery, new and changed ones only.

    A text file beside a picture (photo.txt beside photo.jpg) becomes its caption. What cannot be
    read is listed with its reason, and the rest goes on. Ctrl-C keeps what is done; the next run goes on.
    """
    report = Report()
    start = time.perf_counter()
    with stop_on_interrupt() as stop:
        try:
            index_with_bar(gallery, sources, model, device, report, stop)
        except KeyboardInterrupt:  # the second Ctrl-C; the batch in hand is given up
            pass
        except (EngineError, OSError) as error:
            if as_json:
                fail(error, as_json, report=_document(report, gallery, start, stop.is_set()))
            if report != Report():
                show_report(report, gallery, time.perf_counter() - start)
            fail(error, as_json)
    if as_json:
        show_json(_document(report, gallery, start, stop.is_set()))
    else:
        show_report(report, gallery, time.perf_counter() - start)
    if stop.is_set():
        note("interrupted: what is counted here is in the gallery; run the same command to go on")
        raise typer.Exit(INTERRUPTED)


def index_with_bar(
    gallery: Path, sources: list[Path], model: str | None, device: str | None, report: Report, stop: Event
) -> None:
    """Index sources with a progress bar on stderr, filling the report."""
    from api.cli.progress import progress_bar
    from engine import SearchEngine
    from indexer import check_sources
    from indexer import index as run_pipeline

    check_sources(sources)  # before a new gallery is made
    with SearchEngine.open(gallery, model=model, device=device) as engine, progress_bar() as bar:
        task = bar.add_task("indexing", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        run_pipeline(engine, sources, progress=progress, report=report, stop=stop)


@contextmanager
def stop_on_interrupt() -> Iterator[Event]:
    """Set an event at the first Ctrl-C, so the batch in hand is finished; the second one interrupts."""
    stop = Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        os.write(2, STOPPING)  # not through the console, whose lock the interrupted code may hold

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def show_report(report: Report, gallery: Path, seconds: float) -> None:
    """Print what an indexing run did, failures with their reasons."""
    done = f"{report.added} added, {report.updated} updated, {report.unchanged} unchanged"
    stdout.print(
        Text(f"{done}, {len(report.failed)} failed in {seconds:.1f} s: {plain(str(gallery))}"), soft_wrap=True
    )
    if report == Report():
        note("no pictures found")
    for uri, reason in list(report.failed.items())[:FAILURES_SHOWN]:
        line = Text.assemble(("failed ", "red"), plain(name_of(uri)), ": ", plain(reason))
        stdout.print(line, soft_wrap=True)
    if len(report.failed) > FAILURES_SHOWN:
        stdout.print(f"and {len(report.failed) - FAILURES_SHOWN} more; --json lists them all")


def _document(report: Report, gallery: Path, start: float, interrupted: bool) -> dict[str, Any]:
    from api.documents import report_document

    return {
        "gallery": str(gallery),
        **report_document(report),
        "seconds": round(time.perf_counter() - start, 3),
        "interrupted": interrupted,
    }
