"""What every reader of another program's vectors may be told, and how it names what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import BadInput, ModelUnavailable
from engine.pictures import file_uri, uri_path
from engine.readymade import Ready
from engine.types import Floats, Item

NAMES = (
    "uri",
    "image_path",
    "filepath",
    "file_path",
    "path",
    "file",
    "filename",
    "url",
    "image",
    "image_uri",
)
CAPTIONS = ("caption", "text", "document", "description")
BUILT_IN = frozenset({"id", "uri", "kind", "text"})


@dataclass(frozen=True, slots=True)
class Options:
    """Where the ids of a bare index are, which collection is meant, and where pictures lie."""

    ids: Path | None = None
    collection: str | None = None
    images: Path | None = None


def picture_ready(
    name: str, vector: Floats, options: Options, caption: str | None = None, metadata: Mapping[str, Any] = {}
) -> Ready:
    """Make a picture of a name: a path, a path below the folder of pictures, an address, or any name."""
    path = uri_path(name) if name.startswith("file:") else None
    if path is None and not urlsplit(name).netloc:
        path = (options.images or Path()) / name
    known = {key: value for key, value in metadata.items() if key not in BUILT_IN and _is_plain(value)}
    if path is not None and path.is_file():
        return Ready(Item(file_uri(path), text=caption, picture=path, metadata=known), vector)
    return Ready(Item(name, text=caption, metadata=known), vector)


def record_ready(
    key: str, vector: Floats, payload: Mapping[str, Any], document: str | None, options: Options
) -> Ready:
    """Make an item of a record of a vector database: a picture where it names one, else its text."""
    name = next((payload[n] for n in NAMES if isinstance(payload.get(n), str) and payload[n]), None)
    words = document or next(
        (payload[n] for n in CAPTIONS if isinstance(payload.get(n), str) and payload[n]), None
    )
    rest = {n: value for n, value in payload.items() if n not in (*NAMES, *CAPTIONS)}
    if name is not None:
        return picture_ready(name, vector, options, words, rest)
    if words is None:
        return picture_ready(key, vector, options, None, rest)
    known = {n: value for n, value in rest.items() if n not in BUILT_IN and _is_plain(value)}
    return Ready(Item(key, "text", text=words, metadata=known), vector)


def need(package: str, extra: str) -> None:
    """Say which package is missing."""
    if find_spec(package) is None:
        raise ModelUnavailable(f"{extra} is read by its own client; pip install {extra}")


def one_of(names: list[str], wanted: str | None, where: Path) -> str:
    """Choose a collection by its name, or the only one there is."""
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        there = ", ".join(sorted(names)) or "none"
        raise BadInput(f"name one of the collections of {where} with --collection; there is {there}")
    return wanted


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
