"""One training of a gallery at a time: what one keeps would undo what another has kept meanwhile."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import GalleryBusy
from engine.files import disk_errors, held, write_whole
from engine.learned import FOLDER


@contextmanager
def training(gallery: Path) -> Iterator[Path]:
    """Be the one who trains a gallery for a while, and get the folder of what it learns.

    Raises `GalleryBusy` with the name of the one who is. The lock ends with the process at the latest.
    """
    folder = gallery / FOLDER
    note = folder / ".training"
    with disk_errors(gallery):
        folder.mkdir(exist_ok=True)
    with held(folder) as is_free:
        if not is_free:
            raise GalleryBusy(f"{gallery} is being trained by {_read(note)}; wait for it to end, or stop it")
        try:
            with disk_errors(gallery):
                write_whole(note, _myself().encode("utf-8", "backslashreplace"))
            yield folder
        finally:
            note.unlink(missing_ok=True)


def _myself() -> str:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {platform.node()} since {since} ({' '.join(sys.argv)[:200]})"


def _read(note: Path) -> str:
    try:
        return note.read_text("utf-8")
    except FileNotFoundError:
        return "another process"
