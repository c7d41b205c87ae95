"""Captioned pictures: what `eval` measures on. A webdataset tar, a JSONL file, or a folder with sidecars.

    set.tar      KEY.jpg beside KEY.json {"captions": [...]}, or KEY.txt with one caption a line
    set.jsonl    {"image": "path/from/the/file's/folder.jpg", "captions": [...]}, one picture a line
    folder/      photo.jpg beside photo.txt, one caption a line

`"caption": "..."` may stand for a list of one. A picture without a caption is left out.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from engine.errors import BadInput
from engine.evaluate import CaptionedPicture
from indexer.sources import PictureFile, is_picture, read_captions, walk

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


def captioned_pictures(source: Path) -> Iterator[CaptionedPicture]:
    """Read the captioned pictures of a source, in its order. Raises `BadInput` when it cannot."""
    if source.is_dir():
        return _read_folder(source)
    if not source.is_file():
        raise BadInput(f"no such file or folder: {source}")
    if source.name.lower().endswith(TAR_SUFFIXES):
        return _read_tar(source)
    if source.suffix.lower() == ".jsonl":
        return _read_jsonl(source)
    raise BadInput(
        f"{source} is no source of captioned pictures; give a webdataset .tar, a .jsonl or a folder"
    )


def _read_folder(folder: Path) -> Iterator[CaptionedPicture]:
    for found in walk([folder]):
        if isinstance(found, PictureFile) and found.caption is not None:
            captions = read_captions(found.caption)
            if captions:
                yield CaptionedPicture(key=found.uri, picture=found.path, captions=captions)


def _read_jsonl(path: Path) -> Iterator[CaptionedPicture]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise BadInput(f"{place}: not JSON: {error}") from error
            if not isinstance(row, dict) or not isinstance(row.get("image"), str):
                raise BadInput(f'{place}: expected an object with "image" (a path) and "captions" (a list)')
            captions = _captions(row, place)
            if captions:
                yield CaptionedPicture(row["image"], path.parent / row["image"], captions)


def _read_tar(path: Path) -> Iterator[CaptionedPicture]:
    """Group the members of a tar by key; members of one key stand together, as webdataset writes them."""
    key: str | None = None
    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(path, mode="r|*") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is None:
                    continue
                name = PurePosixPath(member.name)
                stem, _, suffix = name.name.partition(".")
                member_key = str(name.with_name(stem))
                if member_key != key:
                    yield from _from_parts(path, key, parts)
                    key, parts = member_key, {}
                parts["." + suffix.lower()] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadInput(f"{path} is no whole tar: {error}") from error
    yield from _from_parts(path, key, parts)


def _from_parts(path: Path, key: str | None, parts: dict[str, bytes]) -> Iterator[CaptionedPicture]:
    picture = next((data for suffix, data in parts.items() if is_picture("x" + suffix)), None)
    if key is None or picture is None:
        return
    captions: tuple[str, ...] = ()
    if ".json" in parts:
        place = f"{path}, {key}.json"
        try:
            row = json.loads(parts[".json"])
        except ValueError as error:
            raise BadInput(f"{place}: not JSON: {error}") from error
        captions = _captions(row, place)
    elif ".txt" in parts:
        lines = parts[".txt"].decode("utf-8-sig", errors="replace").splitlines()
        captions = tuple(line.strip() for line in lines if line.strip())
    if captions:
        yield CaptionedPicture(key, picture, captions)


def _captions(row: Any, place: str) -> tuple[str, ...]:
    captions = row.get("captions", row.get("caption", [])) if isinstance(row, dict) else None
    if isinstance(captions, str):
        captions = [captions]
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise BadInput(f'{place}: "captions" must be a list of texts')
    return tuple(caption.strip() for caption in captions if caption.strip())
