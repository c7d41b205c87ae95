"""Sources: where pictures come from. A folder, walked in order, or a single file.

Knows nothing of models or galleries. A thing that cannot be read is reported in its place and the
walk goes on. Memory is flat: one folder's listing at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from engine.errors import BadInput
from engine.pictures import file_uri

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
GALLERY_SUFFIX = ".gallery"
GALLERY_FILE = "gallery.db"
CAPTION_SUFFIX = ".txt"
MAX_CAPTION_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture file as the walk found it; `caption` is the sidecar text file beside it, if any."""

    path: Path
    uri: str
    size: int
    mtime_ns: int
    caption: Path | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or folder that cannot be read, and why."""

    uri: str
    reason: str


Found: TypeAlias = PictureFile | Unreadable


def check_sources(sources: Iterable[Path]) -> None:
    """Raise `BadInput` for a source that does not exist."""
    for source in sources:
        if not os.path.lexists(source):
            raise BadInput(f"no such file or folder: {source}; give a folder of pictures or a picture file")


def walk(sources: Iterable[Path]) -> Iterator[Found]:
    """Find the pictures of the sources, depth first, each folder in the order of its names.

    Links are followed, and a folder is entered once, however many links lead to it. Hidden names
    and galleries (`*.gallery`, or a folder with a `gallery.db`) are skipped.
    """
    entered: set[tuple[int, int]] = set()
    for source in sources:
        if source.is_dir():
            yield from _walk_folder(source, entered)
        else:
            yield _look_at(source, _sidecar(source))


def count(sources: Iterable[Path]) -> int:
    """Count what `walk` would find, without opening a file."""
    return sum(1 for _ in walk(sources))


def read_captions(path: Path) -> tuple[str, ...]:
    """Read a sidecar file: one caption a line, empty lines left out."""
    size = path.stat().st_size
    if size > MAX_CAPTION_BYTES:
        raise BadInput(f"caption file {path.name} has {size:,} bytes; at most {MAX_CAPTION_BYTES:,} are read")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def is_picture(name: str) -> bool:
    """Say whether a file of that name is taken for a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _walk_folder(folder: Path, entered: set[tuple[int, int]]) -> Iterator[Found]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            return
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Unreadable(_plain_uri(folder), f"the folder cannot be read: {_reason(error)}")
        return
    names = {entry.name for entry in listing}
    if GALLERY_FILE in names:
        return
    for entry in listing:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if _is_folder(entry):
            if not entry.name.endswith(GALLERY_SUFFIX):
                yield from _walk_folder(path, entered)
        elif is_picture(entry.name):
            yield _look_at(path, _sidecar(path, names))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links: reported as a file that cannot be read, if it is named like a picture
        return False


def _look_at(path: Path, caption: Path | None) -> Found:
    try:
        status = path.stat()
        uri = file_uri(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: `Path.resolve` meets a loop of links
        if path.is_symlink():
            return Unreadable(_plain_uri(path), f"a broken link to {os.readlink(path)}")
        return Unreadable(_plain_uri(path), f"the file cannot be read: {_reason(error)}")
    return PictureFile(path, uri, status.st_size, status.st_mtime_ns, caption)


def _sidecar(path: Path, names: set[str] | None = None) -> Path | None:
    """Find `photo.txt` or `photo.jpg.txt` beside `photo.jpg`."""
    for name in (path.stem + CAPTION_SUFFIX, path.name + CAPTION_SUFFIX):
        sidecar = path.with_name(name)
        if name in names if names is not None else sidecar.is_file():
            return sidecar
    return None


def _plain_uri(path: Path) -> str:
    # Not `file_uri`, which follows links: this names the link itself, or a folder that cannot be entered.
    return path.absolute().as_uri()


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or str(error)).lower()
