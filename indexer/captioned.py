"""Captioned pictures, which `eval` measures on: those of any source that have captions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.evaluate import CaptionedPicture
from engine.pictures import Member, uri_path
from indexer.decode import given, picture_source
from indexer.sources import Source, kind_of, read
from indexer.sources.folder import is_picture
from indexer.sources.found import Found, LeftOut, Reading, Unreadable, Words


def captioned_pictures(source: Source, reading: Reading | None = None) -> Iterator[CaptionedPicture]:
    """Read the captioned pictures of a source, in its order. Raises `BadInput` when it cannot."""
    kind, name = kind_of(source)
    if kind == "picture":
        raise BadInput(f"{name} is no source of captioned pictures; give a folder, a tar or a table")
    found = read(source, reading or Reading())
    return (pair for one in found if (pair := _pair(one, skips=kind == "folder")) is not None)


def _pair(found: Found, *, skips: bool) -> CaptionedPicture | None:
    """Take one; a picture that is gone is left out, a damaged set is refused: it would measure another."""
    if isinstance(found, LeftOut):
        return None
    if isinstance(found, Unreadable):
        path = uri_path(found.uri)
        if skips or (path is not None and is_picture(path.name)):
            return None
        raise BadInput(found.reason)
    if isinstance(found, Words):
        return None
    captions, source = given(found).captions, picture_source(found)
    picture: Path | bytes = source.read() if isinstance(source, Member) else source
    return CaptionedPicture(found.uri, picture, captions) if captions else None
