"""From what a source found to an item: what is said of it put together, and its picture decoded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from engine.pictures import FORMATS, Member, load_picture
from engine.types import Item, Scalar
from indexer.photo import read_photo
from indexer.sources.columns import MEASURED
from indexer.sources.found import (
    Described,
    Found,
    PictureBytes,
    PictureFile,
    PictureMember,
    Unreadable,
    Words,
)
from indexer.sources.sidecars import read_sidecars

HEADER_BYTES = 65_536  # of a member, enough to read a picture's size


@dataclass(frozen=True, slots=True)
class Decoded:
    """A thing that was found, after decoding: the item, or the reason why there is none."""

    uri: str
    pixels: int
    item: Item | None = None
    reason: str = ""


def decode(found: Found, pixels: int) -> Decoded:
    """Make an item, in a thread. Whatever goes wrong is this one's reason, and the rest goes on."""
    if isinstance(found, Unreadable):
        return Decoded(found.uri, pixels, reason=found.reason)
    try:
        return Decoded(found.uri, pixels, _item(found))
    except Exception as error:
        return Decoded(found.uri, pixels, reason=str(error) or type(error).__name__)


def given(found: PictureFile | PictureMember | PictureBytes | Words) -> Described:
    """Put together what the source says of an item, without opening a picture."""
    said = found.described
    names: dict[str, Scalar] = {}
    captions, metadata = said.captions, said.metadata
    if isinstance(found, PictureFile):
        # A name that is not UTF-8 keeps its bytes in the uri; as metadata it is for reading.
        names = {"name": _words(found.path.name), "folder": _words(found.path.parent.name)}
        beside = read_sidecars(found.sidecars)
        captions, metadata = captions or beside.captions, {**beside.metadata, **metadata}
    elif not isinstance(found, Words):
        names = {"name": PurePosixPath(found.name).name}
    kept = {name: value for name, value in metadata.items() if name not in MEASURED}
    return Described(captions, {**names, **kept}, said.regions)


def picture_source(found: PictureFile | PictureMember | PictureBytes) -> Path | Member | bytes:
    """Return what the picture is read from."""
    if isinstance(found, PictureFile):
        return found.path
    return found.member if isinstance(found, PictureMember) else found.data


def count_pixels(found: Found) -> int:
    """Read the size of a picture from its first bytes; 0 when that fails, for decoding says why."""
    if isinstance(found, Unreadable | Words):
        return 0
    source = picture_source(found)
    try:
        if isinstance(source, Member):
            source = Member(source.path, source.start, min(source.size, HEADER_BYTES)).read()
        file = BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=tuple(FORMATS)) as picture:
            return picture.width * picture.height
    except Exception:  # hostile bytes raise many types; this is the edge of one item
        return 0


def _item(found: PictureFile | PictureMember | PictureBytes | Words) -> Item:
    said = given(found)
    if isinstance(found, Words):
        return Item(found.uri, "text", said.text, metadata=said.metadata)
    source = picture_source(found)
    picture = load_picture(source)
    inside = read_photo(source)
    metadata: Mapping[str, Scalar] = {**inside.metadata, **said.metadata}
    words = said.text or inside.text
    return Item(found.uri, text=words, picture=picture, metadata=metadata, regions=said.regions)


def _words(name: str) -> str:
    return os.fsencode(name).decode("utf-8", errors="replace")
