"""Rows of any table, or the JSON beside a picture: which column is the picture, its caption, its metadata."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from engine.errors import BadInput
from engine.types import Scalar
from indexer.sources.found import Described

# The usual names, the first that a table has is taken.
ROLES: dict[str, tuple[str, ...]] = {
    "uri": (
        "uri", "path", "file_name", "filename", "filepath", "file_path", "image_path", "image_name", "file",
        "url", "image_url",
    ),
    "picture": ("picture", "image", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes"),
    "caption": (
        "caption", "captions", "text", "alt", "alt_text", "sentence", "sentences", "description",
    ),
}  # fmt: skip
BUILT_IN = frozenset({"id", "uri", "kind", "text"})  # what every item has, so no metadata may be called so
MEASURED = frozenset({"width", "height", "format"})  # the gallery measures these itself


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table plays which part; `None` where there is none."""

    uri: str | None
    picture: str | None
    caption: str | None

    @property
    def used(self) -> frozenset[str]:
        return frozenset(name for name in (self.uri, self.picture, self.caption) if name is not None)


def choose_columns(names: Iterable[str], chosen: Mapping[str, str], place: str) -> Columns:
    """Decide from the names of a table's columns; `chosen` is what the caller has said.

    Raises `BadInput` for a column that is not there, with the nearest names, and for a table in
    which there is neither a picture nor a caption.
    """
    names = list(names)
    by_lower = {name.lower(): name for name in reversed(names)}
    found: dict[str, str | None] = {}
    for role, usual in ROLES.items():
        wanted = chosen.get(role)
        if wanted is not None and wanted not in names:
            near = get_close_matches(wanted, names, n=3, cutoff=0.5) or names
            raise BadInput(f"{place} has no column {wanted!r}; it has {', '.join(map(repr, near[:20]))}")
        found[role] = wanted or next((by_lower[name] for name in usual if name in by_lower), None)
    if not any(found.values()):
        raise BadInput(
            f"{place} has no column for a picture or a caption, only {', '.join(map(repr, names[:20]))}; "
            "say which is which with --columns uri=NAME,caption=NAME"
        )
    return Columns(**found)


def parse_columns(text: str) -> dict[str, str]:
    """Read `uri=NAME,caption=NAME`; `BadInput` for another role than `uri`, `picture`, `caption`."""
    columns: dict[str, str] = {}
    for pair in text.split(","):
        role, equals, name = (part.strip() for part in pair.partition("="))
        if role not in ROLES or not equals or not name:
            raise BadInput(f"--columns has {pair!r}; write {', '.join(f'{role}=NAME' for role in ROLES)}")
        columns[role] = name
    return columns


def read_captions(value: Any) -> tuple[str, ...]:
    """Take a text, a list of texts, or a list of `{"raw": text}` for captions; empty ones are left out."""
    if value is None:
        return ()
    values = value if isinstance(value, list | tuple) else [value]
    captions = []
    for one in values:
        words = one.get("raw") if isinstance(one, dict) else one
        if not isinstance(words, str):
            raise BadInput('"captions" must be a list of texts')
        captions.append(words.strip())
    return tuple(words for words in captions if words)


def describe(row: Mapping[str, Any], caption: str | None, used: frozenset[str] = frozenset()) -> Described:
    """Take the captions and the metadata out of a row; the columns of `used` are no metadata."""
    captions = read_captions(row.get(caption)) if caption is not None else ()
    metadata: dict[str, Scalar] = {}
    for name, value in row.items():
        if name in used or name == caption or name in MEASURED or not name:
            continue
        scalar = as_scalar(value)
        if scalar is not None:
            metadata[f"row_{name}" if name in BUILT_IN else name] = scalar
    return Described(captions, metadata)


def describe_json(text: bytes, place: str) -> Described:
    """Read the JSON beside a picture: an object with captions under a usual name, the rest metadata."""
    try:
        row = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadInput(f"{place}: an object is expected, this is a {type(row).__name__}")
    caption = next((name for name in ROLES["caption"] if name in row), None)
    try:
        return describe(row, caption)
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error


def as_scalar(value: Any) -> Scalar:
    """Make one metadata value: nested ones become JSON text; NaN, empty texts and bytes are none."""
    if value is None or isinstance(value, bytes | bytearray):
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        return None if math.isnan(value) else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
