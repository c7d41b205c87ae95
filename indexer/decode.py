"""From what a source found to an item: what is said of it put together, and its picture decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import ImageFile

from engine.ingest import MAX_TEXT
from engine.pictures import Member, load_picture
from engine.types import Item, Scalar
from indexer.photo import read_opened
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


@dataclass(frozen=True, slots=True)
class Decoded:
    """A thing that was found, after decoding: the item, or the reason why there is none, or not all of it."""

    uri: str
    pixels: int = 0
    item: Item | None = None
    reason: str = ""


def decode(found: Found, wait: Callable[[int], None]) -> Decoded:
    """Make an item, in a thread. Whatever goes wrong is this one's reason, and the rest goes on.

    `wait` is called with a picture's pixels before they are decoded, and returns once there is room for them.
    """
    if isinstance(found, Unreadable):
        return Decoded(found.uri, reason=found.reason)
    opening = _Opening(wait)
    try:
        item, reason = _item(found, opening)
    except Exception as error:
        return Decoded(found.uri, opening.pixels, reason=str(error) or type(error).__name__)
    return Decoded(found.uri, opening.pixels, item, reason)


@dataclass(slots=True)
class _Opening:
    """What is learned of a picture, and waited for, when its file is open and not yet decoded."""

    wait: Callable[[int], None]
    pixels: int = 0
    inside: Described = Described()

    def look(self, opened: ImageFile.ImageFile) -> None:
        self.wait(opened.width * opened.height)
        self.pixels = opened.width * opened.height
        self.inside = read_opened(opened)  # of a PNG this decodes the pixels


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


def _item(found: PictureFile | PictureMember | PictureBytes | Words, opening: _Opening) -> tuple[Item, str]:
    """Make the item, and tell what was left out of it."""
    said = given(found)
    if isinstance(found, Words):
        return Item(found.uri, "text", said.text, metadata=said.metadata), ""
    picture = load_picture(picture_source(found), opening.look)
    metadata: Mapping[str, Scalar] = {**opening.inside.metadata, **said.metadata}
    words, reason = _fitting(said.captions or opening.inside.captions)
    return Item(found.uri, text=words, picture=picture, metadata=metadata, regions=said.regions), reason


def _fitting(captions: Sequence[str]) -> tuple[str | None, str]:
    """Take the captions that a gallery can keep, as text, and tell of those that are left out."""
    kept: list[str] = []
    long: list[str] = []
    room = MAX_TEXT
    for caption in captions:
        if len(caption) > room:
            long.append(caption)
        else:
            kept.append(caption)
            room -= len(caption) + 1  # and the end of its line
    text = "\n".join(kept) or None
    if not long:
        return text, ""
    return text, (
        f"indexed without {len(long)} of {len(captions)} captions: one has {len(long[0]):,} characters, "
        f"the limit of all together is {MAX_TEXT:,}; shorten it and index again"
    )


def _words(name: str) -> str:
    return os.fsencode(name).decode("utf-8", errors="replace")
