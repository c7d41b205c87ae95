"""What sources find: pictures in files, in tars and in tables, texts, and things that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from engine.pictures import Member
from engine.types import LabeledRegion, Scalar

T = TypeVar("T")
Reached: TypeAlias = Callable[[float], None]  # told the share of a source that has been read, up to 1


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


def untold(share: float) -> None:
    """Take no note of how far a source has been read."""


def counted(things: Collection[T], reached: Reached) -> Iterator[T]:
    """Yield things of a known number, telling of each the share that has been read with it."""
    for number, thing in enumerate(things, start=1):
        reached(number / len(things))
        yield thing


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read: where named pictures lie, which column is what, and who is told how far it is.

    `images` is the folder that names in annotations and tables start from; `None` is the folder of
    the file that names them. `columns` maps `uri`, `picture` and `caption` to a table's columns.
    `reached` is told the share of a file before what is found there; folders tell nothing.
    """

    images: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    reached: Reached = untold
