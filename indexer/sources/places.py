"""From a name in somebody's file to a picture on this disk, never outside the folder it belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from engine.errors import BadInput
from engine.languages import is_unicode
from engine.pictures import file_uri, uri_path
from indexer.sources.found import Described, Found, PictureFile, Unreadable


def inside(folder: Path, name: str) -> Path:
    """Return the path of `name` from `folder`; `BadInput` when it would lead out of it.

    The name is judged as it is written, so a link that the owner of the folder put there is followed.
    """
    if "\x00" in name or not is_unicode(name):
        raise BadInput(f"{name!r} is no file name")
    top = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(top, uri_path(name) or name))
    if os.path.commonpath([top, path]) != top:
        raise BadInput(f"{name!r} lies outside {top}; give --images with a folder that holds the pictures")
    return Path(path)


def named_picture(folder: Path, name: str, described: Described, place: str) -> Found:
    """Find the picture file that an annotation or a row names; `place` is the uri of whatever names it."""
    try:
        path = inside(folder, name)
    except BadInput as error:
        return Unreadable(place, str(error))
    return look_at(path, described=described)


def look_at(
    path: Path,
    sidecars: tuple[Path, ...] = (),
    described: Described | None = None,
    uri: str | None = None,
) -> Found:
    """Find one picture file; its uri, where all links are followed, may be known already."""
    try:
        status = path.stat()
        uri = uri or file_uri(path)
    except FileNotFoundError:
        if path.is_symlink():
            return Unreadable(plain_uri(path), f"a broken link to {os.readlink(path)}")
        return Unreadable(plain_uri(path), "no such file")
    except (OSError, RuntimeError) as error:  # RuntimeError: `Path.resolve` meets a loop of links
        if path.is_symlink():
            return Unreadable(plain_uri(path), f"a broken link to {os.readlink(path)}")
        return Unreadable(plain_uri(path), f"the file cannot be read: {why(error)}")
    return PictureFile(path, uri, status.st_size, status.st_mtime_ns, sidecars, described or Described())


def inner_uri(scheme: str, path: Path, name: str) -> str:
    """Name a thing inside a file: `tar:/folder/set.tar#a.jpg`, `row:/folder/table.csv#12`."""
    return f"{scheme}:{file_uri(path).removeprefix('file://')}#{quote(os.fsencode(name))}"


def plain_uri(path: Path) -> str:
    """Name the thing itself; unlike `file_uri` this follows no link, and needs no right to enter."""
    return path.absolute().as_uri()


def why(error: Exception) -> str:
    """Say in a few words what went wrong with a file."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or str(error) or type(error).__name__).lower()
