"""`crosslight index`: bring pictures and texts into a gallery."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from api.cli.options import DEFAULT_GALLERY, DeviceOption, GalleryOption, JsonOption, ModelOption
from api.cli.output import INTERRUPTED, fail, guarded, name_of, note, plain, show_json, stdout
from engine.errors import EngineError
from engine.types import Report

if TYPE_CHECKING:
    from engine.detection import Finder
    from indexer import Reading

REASONS_SHOWN = 20
NAMES_SHOWN = 3
STOPPING = b"\nstopping after the batch in hand; Ctrl-C again stops at once\n"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Folders, pictures, globs, tars, tables, or coco:, karpathy:, flickr:, vqa:, hf: with a name.",
        show_default=False,
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="Where the pictures lie that annotations and tables name.",
        file_okay=False,
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="ROLE=NAME,...", help="A table's columns, such as uri=file,caption=title."
    ),
]
SyncOption = Annotated[
    bool, typer.Option("--sync", help="Remove from the gallery what is gone from these folders and tars.")
]
OcrOption = Annotated[
    bool, typer.Option("--ocr", help="Read the text in pictures too (needs the extra ocr).")
]
RecallOption = Annotated[
    float | None,
    typer.Option(
        "--recall",
        metavar="SHARE",
        help="The recall@10 that an approximate index is to reach, from now on (at first 0.99).",
    ),
]
CaptionsOption = Annotated[
    bool, typer.Option("--captions", help="Write a caption for pictures that have none.")
]
CaptionerOption = Annotated[
    str | None,
    typer.Option(
        "--captioner", metavar="KEY", help="The model that writes captions; the bundled one is mini."
    ),
]


RegionsOption = Annotated[
    Path | None,
    typer.Option(
        "--regions",
        metavar="FILE",
        help="Find the regions of pictures too, with this detector: a checkpoint of torchvision's "
        "Faster R-CNN kinds, or a .yaml config of Detectron2.",
    ),
]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be indexed, and into which gallery."""

    sources: list[str]
    reading: Reading
    gallery: Path
    model: str | None = None
    device: str | None = None
    sync: bool = False
    ocr: bool = False
    regions: Path | None = None
    captions: bool | str = False
    recall: float | None = None


@guarded
def index(
    sources: Sources,
    images: ImagesOption = None,
    columns: ColumnsOption = None,
    sync: SyncOption = False,
    ocr: OcrOption = False,
    regions: RegionsOption = None,
    captions: CaptionsOption = False,
    captioner: CaptionerOption = None,
    recall: RecallOption = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring pictures and texts into a gallery, new and changed ones only.

    A text file beside a picture (photo.txt beside photo.jpg) becomes its caption. What cannot be
    read is listed with its reason, and the rest goes on. Ctrl-C keeps what is done; the next run goes on.
    """
    from indexer import Reading, parse_columns

    reading = Reading(images, parse_columns(columns) if columns is not None else {})
    job = Job(sources, reading, gallery, model, device, sync, ocr, regions, captioner or captions, recall)
    report = Report()
    start = time.perf_counter()
    with stop_on_interrupt() as stop:
        try:
            index_with_bar(job, report, stop)
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


def index_with_bar(job: Job, report: Report, stop: Event) -> None:
    """Index sources with a progress bar on stderr, filling the report."""
    from api.cli.progress import progress_bar
    from engine import SearchEngine
    from engine.index import Aim
    from engine.ocr import load_reader
    from indexer import check_sources, check_sync
    from indexer import index as run_pipeline

    check_sources(job.sources, job.reading)  # before a new gallery is made
    if job.sync:
        check_sync(job.sources)
    if job.ocr:
        load_reader()
    detector = load_detector(job.regions, job.device)
    aim = Aim(recall=job.recall)
    opened = SearchEngine.open(job.gallery, model=job.model, device=job.device, index=aim)
    with opened as engine, progress_bar() as bar:
        task = bar.add_task("indexing", total=None)

        def progress(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        run_pipeline(
            engine,
            job.sources,
            reading=job.reading,
            sync=job.sync,
            ocr=job.ocr,
            regions=detector,
            captions=job.captions,
            progress=progress,
            report=report,
            stop=stop,
        )


def load_detector(file: Path | None, device: str | None) -> Finder | None:
    """Load the detector of regions that was asked for, if one was."""
    if file is None:
        return None
    from engine.detection import open_detector

    return open_detector(file, device or "cpu")


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
    """Print what an indexing run did, failures by reason."""
    done = [f"{report.added} added", f"{report.updated} updated", f"{report.unchanged} unchanged"]
    done += [f"{report.moved} moved"] if report.moved else []
    done += [f"{report.removed} removed"] if report.removed else []
    done += [f"{len(report.failed)} failed in {seconds:.1f} s: {plain(str(gallery))}"]
    stdout.print(Text(", ".join(done)), soft_wrap=True)
    reasons = list(report.reasons().items())
    for reason, uris in reasons[:REASONS_SHOWN]:
        names = ", ".join(name_of(uri) for uri in uris[:NAMES_SHOWN])
        more = f" and {len(uris) - NAMES_SHOWN:,} more" if len(uris) > NAMES_SHOWN else ""
        count = f"{len(uris):,}: " if len(uris) > 1 else ""
        line = Text.assemble(("failed ", "red"), count, plain(f"{names}{more}"), ": ", plain(reason))
        stdout.print(line, soft_wrap=True)
    if len(reasons) > REASONS_SHOWN:
        stdout.print(f"and {len(reasons) - REASONS_SHOWN} more reasons; --json lists every failure")


def _document(report: Report, gallery: Path, start: float, interrupted: bool) -> dict[str, Any]:
    from api.documents import report_document

    return {
        "gallery": str(gallery),
        **report_document(report),
        "seconds": round(time.perf_counter() - start, 3),
        "interrupted": interrupted,
    }
