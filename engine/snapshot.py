"""Copy a gallery as it is at one moment, while it serves and while it is written to.

A snapshot is a gallery of its own: the database, the pictures that it keeps and what it has learned. What
is derived is left out, for it is made again when the copy is opened.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

from engine.errors import BadInput
from engine.files import disk_errors
from engine.gallery import Gallery
from engine.learned import FOLDER
from engine.store import Store


def snapshot(path: Path, target: Path) -> None:
    """Copy the gallery at `path` to the directory `target`, which is there whole or not at all."""
    gallery = Gallery.at(path, create=False)
    if target.exists():
        raise BadInput(f"{target} is there already; choose a name that is not taken")
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    with disk_errors(target):
        try:
            aside.mkdir(parents=True)
            with closing(Store(gallery.database)) as store:
                store.back_up(aside / gallery.database.name)
            # After the database: a picture is kept before the item that names it is committed.
            for folder in (gallery.uploads, path / FOLDER):
                if folder.exists():
                    half_written = shutil.ignore_patterns(".*")
                    shutil.copytree(folder, aside / folder.name, ignore=half_written)
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def restore(source: Path, path: Path) -> None:
    """Put a snapshot where a gallery was lost; the directory must not be there, or be empty."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()
    snapshot(source, path)
