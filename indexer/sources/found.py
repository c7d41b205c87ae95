"""What sources find: pictures in files, in tars and in tables, texts, and things that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from engine.pictures import Member
from engine.types import LabeledRegion, Scalar


@dataclass(frozen=True, slots=True)
class Described:
    """What a source says of an item: captions, metadata by column, and regions that people have drawn."""

    captions: tuple[str, ...] = ()
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    regions: tuple[LabeledRegion, ...] | None = None

    @property
    def text(self) -> str | None:
        """The captions as the item's text, one a line."""
        return "\n".join(self.captions) or None


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture file; `sidecars` are the text and JSON files beside it, read when they are needed."""

    path: Path
    uri: str
    size: int
    mtime_ns: int
    sidecars: tuple[Path, ...] = ()
    described: Described = Described()


@dataclass(frozen=True, slots=True)
class PictureMember:
    """A picture inside an uncompressed tar, read from its place when it is needed."""

    uri: str
    name: str
    member: Member
    mtime_ns: int
    described: Described = Described()


@dataclass(frozen=True, slots=True)
class PictureBytes:
    """A picture that is in memory: from a compressed tar, or a cell of a table."""

    uri: str
    name: str
    data: bytes
    described: Described = Described()


@dataclass(frozen=True, slots=True)
class Words:
    """A text alone."""

    uri: str
    described: Described


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, folder, row or whole source that cannot be read, and why."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut(Unreadable):
    """What else was said of an item that was found and could not be taken into it, and why."""


Found: TypeAlias = PictureFile | PictureMember | PictureBytes | Words | Unreadable


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read: where named pictures lie, and which column is what.

    `images` is the folder that names in annotations and tables start from; `None` is the folder of
    the file that names them. `columns` maps `uri`, `picture` and `caption` to a table's columns.
    """

    images: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
