"""Pairs of a picture that a gallery has and a caption: a table of two columns, for training."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from engine.errors import BadInput
from engine.pictures import file_uri
from indexer.sources.columns import choose_columns, read_captions
from indexer.sources.found import untold
from indexer.sources.table import FORMATS


def read_pairs(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the captions of each uri out of a table (CSV, TSV, JSONL, Parquet).

    A name without a scheme is a path from the table's folder. Raises `BadInput` for a table without
    the columns, and for a row that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BadInput(f"{path} is no table; the kinds read are {', '.join(FORMATS)}")
    names, rows = FORMATS[suffix]
    columns = choose_columns(names(path), {}, path.name)
    named = columns.uri or columns.picture
    if named is None or columns.caption is None:
        raise BadInput(
            f"{path.name} needs a column uri and a column caption; it has {', '.join(names(path))}"
        )
    found: dict[str, dict[str, None]] = {}
    for number, row in rows(path, columns.used, untold):
        if isinstance(row, str):
            raise BadInput(f"{path.name}: {row}")
        name = row.get(named)
        if not isinstance(name, str) or not name.strip():
            raise BadInput(f"{path.name}, row {number}: the column {named} names no picture")
        captions = read_captions(row.get(columns.caption))
        found.setdefault(_uri(name.strip(), path.parent), {}).update(dict.fromkeys(captions))
    return {uri: tuple(captions) for uri, captions in found.items()}


def _uri(name: str, folder: Path) -> str:
    return name if len(urlsplit(name).scheme) > 1 else file_uri(folder / name)
