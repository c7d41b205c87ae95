"""The long work that a job of the service does: it tells its progress, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

from api.documents import Document, report_document
from engine import SearchEngine

Progress: TypeAlias = Callable[[int, int | None], None]
Work: TypeAlias = Callable[[SearchEngine, Mapping[str, Any], Progress, Event], Document]


class Stopped(Exception):
    """The work was asked to stop, and has left the gallery as it can be gone on from."""


def ingest(engine: SearchEngine, asked: Mapping[str, Any], progress: Progress, stop: Event) -> Document:
    """Bring what a folder, tar or table of this machine holds into the gallery."""
    from indexer.pipeline import index

    source = Path(asked["source"])
    report = index(engine, [source], sync=asked["sync"], ocr=asked["ocr"], progress=progress, stop=stop)
    if stop.is_set():
        raise Stopped
    return report_document(report)


def migrate(engine: SearchEngine, asked: Mapping[str, Any], progress: Progress, stop: Event) -> Document:
    """Change the gallery's model: new vectors beside the old, one exchange."""
    from engine.migration import migrate as change

    def told(done: int, total: int) -> None:
        progress(done, total)
        if stop.is_set():
            raise Stopped

    done = change(engine.path, asked["model"], allow_missing=asked["allow_missing"], progress=told)
    return {
        "old": done.old,
        "new": done.new,
        "made": done.made,
        "missing": dict(done.missing),
        "switched": done.switched,
    }


def reindex(engine: SearchEngine, asked: Mapping[str, Any], progress: Progress, stop: Event) -> Document:
    """Build the index anew from the stored vectors."""
    progress(0, len(engine))
    engine.reindex()
    progress(len(engine), len(engine))
    return {"items": len(engine)}


# What each kind of job does, and whether nobody else can write to the gallery while it does.
KINDS: dict[str, tuple[Work, bool]] = {
    "ingest": (ingest, True),
    "migrate": (migrate, False),
    "reindex": (reindex, True),
}
