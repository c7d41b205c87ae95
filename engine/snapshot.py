"""Copy a gallery as it is at one moment, while it serves and while it is written to.

A snapshot is a gallery of its own: the database, the pictures that it keeps, what it has learned, and who may
use it. What is derived is left out, for it is made again when the copy is opened, and so is what a service
remembers of its requests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from glob import escape
from pathlib import Path

from engine.errors import BadInput
from engine.files import disk_errors, held
from engine.gallery import Gallery
from engine.learned import FOLDER
from engine.store import Store


def snapshot(path: Path, target: Path) -> None:
    """Copy the gallery at `path` to the directory `target`, which is there whole or not at all."""
    gallery = Gallery.at(path, create=False)
    if target.exists():
        raise BadInput(f"{target} is there already; choose a name that is not taken")
    with disk_errors(target), _aside(target) as aside:
        with closing(Store(gallery.database)) as store:
            store.back_up(aside / gallery.database.name)
        # After the database: a picture is kept before the item that names it is committed.
        for folder in (gallery.uploads, path / FOLDER):
            if folder.exists():
                half_written = shutil.ignore_patterns(".*")
                shutil.copytree(folder, aside / folder.name, ignore=half_written)
        if gallery.keys.exists():  # without them whoever reaches a restored gallery's service could do all
            copied = aside / gallery.keys.relative_to(path)
            copied.parent.mkdir()
            shutil.copy2(gallery.keys, copied)
        aside.rename(target)


def restore(source: Path, path: Path) -> None:
    """Put a snapshot where a gallery was lost; the directory must not be there, or be empty."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
    snapshot(source, path)


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Make a directory beside the target to write to; those that killed snapshots left there are removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{escape(target.name)}.snapshot-*"):
        with held(left) as is_abandoned:
            if is_abandoned:
                shutil.rmtree(left)
    aside = target.with_name(f".{target.name}.snapshot-{os.getpid()}")
    aside.mkdir()
    try:
        with held(aside):
            yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
