"""A folder of pictures, walked in order; a single picture file; the files that a glob names.

A thing that cannot be read is reported in its place and the walk goes on. Memory is flat: one
folder's listing at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from indexer.sources.found import Found, Unreadable
from indexer.sources.places import look_at, plain_uri, why
from indexer.sources.sidecars import sidecars

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
GALLERY_SUFFIX = ".gallery"
GALLERY_FILE = "gallery.db"
MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class _Place:
    """A picture file of a folder, not looked at yet; `uri` is known unless the file is a link."""

    path: Path
    names: Collection[str] | None = None  # of all that is in its folder
    uri: str | None = None


def walk(sources: Iterable[Path], entered: set[tuple[int, int]] | None = None) -> Iterator[Found]:
    """Find the pictures of folders and files, depth first, each folder in the order of its names.

    Links are followed, and a folder is entered once, however many links lead to it; `entered` keeps
    which were, over several walks. Hidden names and galleries (`*.gallery`, or a folder with a
    `gallery.db`) are skipped.
    """
    for place in _places(sources, set() if entered is None else entered):
        if isinstance(place, Unreadable):
            yield place
        else:
            yield look_at(place.path, sidecars(place.path, place.names), uri=place.uri)


def count_pictures(sources: Iterable[Path]) -> int:
    """Count what a walk would find, without looking at any of it."""
    return sum(1 for _ in _places(sources, set()))


def _places(sources: Iterable[Path], entered: set[tuple[int, int]]) -> Iterator[_Place | Unreadable]:
    for source in sources:
        if source.is_dir():
            yield from _in_folder(source, entered)
        else:
            yield _Place(source)


def match(pattern: str) -> list[str]:
    """List the files that a pattern such as `photos/**/*.jpg` names, in order; `**` is any folders.

    Hidden names and galleries are left out, as by a walk. Raises `BadInput` where its folder is missing.
    """
    magic = MAGIC.search(pattern)
    top = Path(pattern[: magic.start()] if magic else pattern)
    folder = top if pattern.startswith(f"{top}{os.sep}") else top.parent
    if not folder.is_dir():
        raise BadInput(f"no such folder: {folder}, where {pattern} starts")
    found = sorted(folder.glob(os.path.relpath(pattern, folder)))
    return [str(path) for path in found if not _is_hidden(path.relative_to(folder)) and not path.is_dir()]


def _is_hidden(inner: Path) -> bool:
    return any(part.startswith(".") or part.endswith(GALLERY_SUFFIX) for part in inner.parts)


def is_picture(name: str) -> bool:
    """Say whether a file of that name is taken for a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _in_folder(folder: Path, entered: set[tuple[int, int]]) -> Iterator[_Place | Unreadable]:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            return
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
        real = folder.resolve()
    except OSError as error:
        yield Unreadable(plain_uri(folder), f"the folder cannot be read: {why(error)}")
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
                yield from _in_folder(path, entered)
        elif is_picture(entry.name):
            yield _Place(path, names, None if entry.is_symlink() else (real / entry.name).as_uri())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links: reported as a file that cannot be read, if it is named like a picture
        return False
