"""`--sync`: what is gone from a folder or a tar leaves the gallery.

Careful by design: only what lies under a given source, only what is certainly gone, and nothing at
all where a folder has become empty or cannot be read, for that is what an unmounted disk looks like.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput
from engine.pictures import file_uri, is_gone, uri_path
from engine.types import Report
from indexer.sources import Source, kind_of
from indexer.sources.folder import walk
from indexer.sources.found import PictureFile, Unreadable
from indexer.sources.places import inner_uri, plain_uri
from indexer.sources.webdataset import expand_range, read_webdataset

if TYPE_CHECKING:
    from engine.search import SearchEngine

EMPTY = "no picture is here any more, so nothing was removed; if that is meant, use `crosslight remove`"


def check_sync(sources: Iterable[Source]) -> None:
    """Raise `BadInput` for a source of which nobody can say what is gone from it."""
    for source in sources:
        kind, name = kind_of(source)
        if kind not in ("folder", "picture", "webdataset", "range"):
            raise BadInput(f"--sync works on folders and tars, and {name} is neither; index it without")


def remove_gone(engine: SearchEngine, sources: Iterable[Source], report: Report) -> None:
    """Remove from the gallery what is gone from the sources, and count it in the report."""
    for source in sources:
        kind, name = kind_of(source)
        if kind == "range":
            remove_gone(engine, expand_range(name), report)
        elif kind == "webdataset":
            _remove_members(engine, Path(name), report)
        elif kind == "folder":
            _remove_files(engine, Path(name), report)


def _remove_files(engine: SearchEngine, folder: Path, report: Report) -> None:
    if not any(isinstance(found, PictureFile) for found in walk([folder])):
        report.failed[plain_uri(folder)] = EMPTY
        return
    for page in engine.uris_under(f"{file_uri(folder).rstrip('/')}/"):
        gone = []
        for uri in page:
            path = uri_path(uri)
            if path is not None and is_gone(path):
                empty = _empty_folder(path)
                if empty is None:
                    gone.append(uri)
                else:
                    report.failed[plain_uri(empty)] = EMPTY
        _remove(engine, gone, report)


def _empty_folder(path: Path) -> Path | None:
    """Return the nearest folder of a file that is gone, if nothing is in it: a disk may belong there."""
    folder = next(parent for parent in path.parents if not is_gone(parent))
    with suppress(OSError), os.scandir(folder) as entries:
        return folder if next(entries, None) is None else None
    return folder


def _remove_members(engine: SearchEngine, path: Path, report: Report) -> None:
    # Of a folder of tars one may be gone as a whole; of one that is there, what it holds is compared.
    place = inner_uri("tar", path, "").removesuffix("#")
    name, held = "", None
    for page in engine.uris_under(f"{place}/" if path.is_dir() else f"{place}#"):
        gone = []
        for uri in page:
            if uri.partition("#")[0] != name:
                name = uri.partition("#")[0]
                held = _held(uri_path(f"file://{name.removeprefix('tar:')}"))
            if held is not None and uri not in held:
                gone.append(uri)
        _remove(engine, gone, report)


def _held(tar: Path | None) -> frozenset[str] | None:
    """Return the uris of what a tar holds, or `None` when it cannot be read to its end."""
    if tar is None or is_gone(tar):
        return frozenset()
    uris = set()
    for found in read_webdataset(tar):
        if isinstance(found, Unreadable) and found.uri == plain_uri(tar):
            return None
        uris.add(found.uri)
    return frozenset(uris)


def _remove(engine: SearchEngine, gone: list[str], report: Report) -> None:
    report.removed += engine.remove(gone) if gone else 0
