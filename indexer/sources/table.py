"""Tables: Parquet, CSV, TSV and JSONL, one item a row, its columns guessed from usual names or given.

A row with a picture is that picture with its caption; a row with a caption alone is a text. Rows of
one picture that stand together are one item with several captions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from engine.errors import BadInput
from engine.languages import is_unicode
from indexer.sources import delimited, jsonl, parquet
from indexer.sources.columns import Columns, choose_columns, describe
from indexer.sources.found import (
    Described,
    Found,
    LeftOut,
    PictureBytes,
    Reached,
    Reading,
    Unreadable,
    Words,
)
from indexer.sources.places import inner_uri, named_picture

Rows: TypeAlias = Iterator[tuple[int, Mapping[str, Any] | str]]  # a number, and the row or why there is none

FORMATS: dict[str, tuple[Callable[[Path], list[str]], Callable[[Path, frozenset[str], Reached], Rows]]] = {
    ".csv": (delimited.names, delimited.rows),
    ".tsv": (delimited.names, delimited.rows),
    ".jsonl": (jsonl.names, jsonl.rows),
    ".ndjson": (jsonl.names, jsonl.rows),
    ".parquet": (parquet.names, parquet.rows),
}


@dataclass(frozen=True, slots=True)
class Table:
    """What the rows of one table have in common: its file, its columns, where named pictures lie."""

    path: Path
    columns: Columns
    images: Path
    unit: str = "row"  # what its numbers count


def read_table(path: Path, reading: Reading) -> Iterator[Found]:
    """Find the items of a table. Raises `BadInput`, before the first row, when its columns do not do."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BadInput(f"{path} is no table; the kinds read are {', '.join(FORMATS)}")
    names, rows = FORMATS[suffix]
    columns = choose_columns(names(path), reading.columns, path.name)
    unit = "row" if suffix == ".parquet" else "line"
    table = Table(path, columns, reading.images or path.parent, unit)
    return found_in(table, rows(path, columns.used, reading.reached))


def found_in(table: Table, rows: Rows) -> Iterator[Found]:
    """Turn rows into what they hold, in their order."""
    waiting: Found | None = None
    differ: set[str] = set()  # the columns in which the rows of the one that waits do
    for number, row in rows:
        found = _found(table, number, row)
        merged = _merged(waiting, found)
        if merged is None and waiting is not None:
            yield from _told(waiting, differ)
            differ = set()
        elif waiting is not None:
            differ |= _differ(waiting, found)
        waiting = merged or found
    if waiting is not None:
        yield from _told(waiting, differ)


def _told(found: Found, differ: set[str]) -> Iterator[Found]:
    yield found
    if differ:
        columns = ", ".join(map(repr, sorted(differ)))
        yield LeftOut(
            found.uri,
            f"its rows differ in {columns}, and the first one counts; "
            "take that out of the table, or give each row a uri of its own",
        )


def _found(table: Table, number: int, row: Mapping[str, Any] | str) -> Found:
    row_uri = inner_uri("row", table.path, str(number))
    if isinstance(row, str):
        return Unreadable(row_uri, row)
    columns = table.columns
    try:
        described = describe(row, columns.caption, columns.used)
    except BadInput as error:
        return Unreadable(row_uri, f"{table.unit} {number}: {error}")
    name = _words(row.get(columns.uri or ""))
    if name is not None and not is_unicode(name):
        return Unreadable(row_uri, f"{table.unit} {number}: {name[:60]!r} is no valid Unicode text")
    data, place = _picture(row.get(columns.picture or ""))
    if data is not None:
        uri = name if name and urlsplit(name).scheme else row_uri
        return PictureBytes(uri, name or str(number), data, described)
    if place is not None and _is_web(name):  # the picture is here, and its address stays as metadata
        address = describe({columns.uri or "": name}, None)
        described = replace(described, metadata={**described.metadata, **address.metadata})
        name = place
    return _named(table, row_uri, name or place, described)


def _named(table: Table, row_uri: str, name: str | None, described: Described) -> Found:
    """Find what a row names: a file, a text under a uri of its own, or a text alone."""
    if name is None:
        if described.captions:
            return Words(row_uri, described)
        return Unreadable(row_uri, "neither a picture nor a caption")
    scheme = urlsplit(name).scheme
    if _is_web(name):
        return Unreadable(
            name, "the picture is on the web, and nothing is fetched; fetch it first (img2dataset)"
        )
    if len(scheme) > 1 and scheme != "file" and described.captions:  # one letter is a drive of Windows
        return Words(name, described)
    return named_picture(table.images, name, described, row_uri)


def _picture(value: Any) -> tuple[bytes | None, str | None]:
    """Take a picture's cell: bytes, a path, or both as Hugging Face's datasets write them."""
    if isinstance(value, dict):
        return value.get("bytes"), _words(value.get("path"))
    return (value, None) if isinstance(value, bytes) else (None, _words(value))


def _is_web(name: str | None) -> bool:
    return name is not None and urlsplit(name).scheme in ("http", "https")


def _words(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _merged(first: Found | None, second: Found) -> Found | None:
    """Put two rows of one picture together, in metadata the first row going before; `None` for two items."""
    if first is None or first.uri != second.uri:
        return None
    if isinstance(first, Unreadable) or isinstance(second, Unreadable) or _is_another(first, second):
        return None
    captions = dict.fromkeys((*first.described.captions, *second.described.captions))
    metadata = {**second.described.metadata, **first.described.metadata}
    return replace(first, described=replace(first.described, captions=tuple(captions), metadata=metadata))


def _is_another(first: Found, second: Found) -> bool:
    """Say whether the second row brings a picture that is not the first one's."""
    if isinstance(first, PictureBytes) and isinstance(second, PictureBytes):
        return first.data != second.data
    return not isinstance(second, type(first) | Words)


def _differ(first: Found, second: Found) -> set[str]:
    """Name the columns of which two rows say different things."""
    if isinstance(first, Unreadable) or isinstance(second, Unreadable):
        return set()
    before = first.described.metadata
    return {name for name, value in second.described.metadata.items() if before.get(name, value) != value}
