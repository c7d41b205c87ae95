"""A webdataset: tars in which KEY.jpg stands beside KEY.json, KEY.txt or KEY.cls.

Of an uncompressed tar only the headers and the small members are read here; a picture is read from
its place when it is decoded, and again when it is shown. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import os
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from engine.errors import BadInput
from engine.pictures import MAX_BYTES, Member
from indexer.sources.columns import as_scalar, describe_json
from indexer.sources.folder import is_picture
from indexer.sources.found import (
    Described,
    Found,
    PictureBytes,
    PictureMember,
    Reached,
    Unreadable,
    Words,
    untold,
)
from indexer.sources.places import inner_uri, plain_uri, why
from indexer.sources.sidecars import lines_of

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
WORDS = (".json", ".txt", ".cls")
MAX_WORDS_BYTES = 8 * 1024 * 1024  # of one of these; longer ones are no description of a picture
BLOCK = 64 * 1024
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(slots=True)
class _Sample:
    """The members of one key: where its picture is, and the small ones' bytes by suffix."""

    key: str
    picture: tuple[str, Member | bytes] | None = None
    parts: dict[str, bytes] = field(default_factory=dict)


def expand_range(source: str) -> list[str]:
    """Write out a brace range: `{00..09}.tar` is ten tars, with leading zeros as they are written."""
    match = RANGE.search(source)
    if match is None:
        return [source]
    first, last = match.groups()
    numbers = range(int(first), int(last) + 1)
    if not numbers:
        raise BadInput(f"{match.group()} is an empty range; write the lower number first")
    wide = len(first) if first.startswith("0") or len(first) == len(last) else 0
    names = (f"{source[: match.start()]}{number:0{wide}}{source[match.end() :]}" for number in numbers)
    return [one for name in names for one in expand_range(name)]


def read_webdataset(path: Path, reached: Reached = untold) -> Iterator[Found]:
    """Find the pictures and texts of a tar; a cut or damaged one ends as unreadable, after what was whole."""
    try:
        mtime_ns = path.stat().st_mtime_ns
        for sample in _samples(path, reached):
            yield sample if isinstance(sample, Unreadable) else _found(path, mtime_ns, sample)
    except (tarfile.TarError, EOFError, OSError, zlib.error, LZMAError) as error:
        yield Unreadable(plain_uri(path), f"{path} is no whole tar: {why(error)}")


def shard_kind(folder: Path) -> str | None:
    """Tell which kind of files img2dataset has filled a folder with: tars, tables of pictures, or neither.

    Tars have their table or their counts beside them; tables of pictures their counts, and no folder.
    """
    names = {entry.name for entry in os.scandir(folder)}
    stems = {
        suffix: [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
        for suffix in (".tar", ".parquet")
    }
    if any(f"{stem}.parquet" in names or f"{stem}_stats.json" in names for stem in stems[".tar"]):
        return "webdataset"
    if any(f"{stem}_stats.json" in names and stem not in names for stem in stems[".parquet"]):
        return "table"
    return None


def _samples(path: Path, reached: Reached) -> Iterator[_Sample | Unreadable]:
    """Group members by key; those of one key stand together, as webdataset writes them."""
    compressed = not path.name.lower().endswith(".tar")
    mode: Literal["r:*", "r:"] = "r:*" if compressed else "r:"
    sample: _Sample | None = None
    with path.open("rb") as file, tarfile.open(fileobj=file, mode=mode, tarinfo=_Header) as archive:
        size = path.stat().st_size
        for name, content in _members(path, archive, compressed):
            reached(file.tell() / size)
            if isinstance(content, Unreadable):
                yield content
                continue
            stem, _, suffix = name.name.partition(".")  # a key ends at the first dot
            key = str(name.with_name(stem)) if stem else str(name)
            if sample is None or sample.key != key:
                if sample is not None:
                    yield sample
                sample = _Sample(key)
            if is_picture(name.name) and sample.picture is not None:
                uri = inner_uri("tar", path, str(name))
                yield Unreadable(uri, f"its key has {sample.picture[0]} already; give it a key of its own")
            elif is_picture(name.name):
                sample.picture = str(name), content
            elif isinstance(content, bytes):
                sample.parts["." + suffix.lower()] = content
        if sample is not None:
            yield sample
        _check_end(archive)


def _members(
    path: Path, archive: tarfile.TarFile, compressed: bool
) -> Iterator[tuple[PurePosixPath, Member | bytes | Unreadable]]:
    """Yield the files: pictures and words, and without its bytes whatever else makes a key."""
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # it keeps every header; a shard has many
        if not member.isfile() or member.issparse():
            continue
        name = PurePosixPath(member.name)
        if is_picture(name.name) and (not compressed or member.size > MAX_BYTES):  # too large to load
            yield name, Member(path, member.offset_data, member.size)
        elif not is_picture(name.name) and not name.name.lower().endswith(WORDS):
            yield name, b""
        elif not is_picture(name.name) and member.size > MAX_WORDS_BYTES:
            yield name, Unreadable(inner_uri("tar", path, member.name), _too_long(member.size))
        else:
            content = archive.extractfile(member)
            yield name, content.read() if content is not None else b""


def _too_long(size: int) -> str:
    return (
        f"left out, for it has {size:,} bytes and at most {MAX_WORDS_BYTES:,} are read; a picture of its key "
        "is indexed without it; shorten it"
    )


class _Header(tarfile.TarInfo):
    """A header of a tar; tarfile by itself takes a damaged one, or the lack of one, for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a header is damaged: {error}") from error
        except tarfile.HeaderError as error:
            raise tarfile.ReadError("its end is missing") from error


def _check_end(archive: tarfile.TarFile) -> None:
    # Of a compressed tar this reads the checksum of the whole too, which is behind the end.
    while block := archive.fileobj.read(BLOCK):
        if block.count(0) < len(block):
            raise tarfile.ReadError("more follows after its end; of tars put together give each by itself")


def _found(path: Path, mtime_ns: int, sample: _Sample) -> Found:
    name, content = sample.picture or (sample.key, b"")
    uri = inner_uri("tar", path, name)
    try:
        described = _described(path, sample)
    except BadInput as error:
        return Unreadable(uri, str(error))
    if sample.picture is None:
        if described.captions:
            return Words(uri, described)
        return Unreadable(uri, "neither a picture nor a caption")
    if isinstance(content, Member):
        return PictureMember(uri, name, content, mtime_ns, described)
    return PictureBytes(uri, name, content, described)


def _described(path: Path, sample: _Sample) -> Described:
    parts = sample.parts
    described = Described()
    if ".json" in parts:
        described = describe_json(parts[".json"], f"{path}, {sample.key}.json")
    metadata = dict(described.metadata)
    if ".cls" in parts:
        words = parts[".cls"].decode("utf-8", errors="replace").strip()
        metadata["cls"] = int(words) if words.isdecimal() else as_scalar(words)
    captions = lines_of(parts[".txt"]) if ".txt" in parts else ()
    return Described(captions or described.captions, metadata)
