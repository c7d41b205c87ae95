"""CSV and TSV: the first line names the columns; a column is a number where its first thousand values are."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from engine.errors import BadInput
from indexer.sources.found import Reached

SAMPLE = 1000  # rows that decide what type a column has
MAX_FIELD = 16 * 1024 * 1024  # characters; Python's own limit of 131,072 would end the file at a long caption
INTEGER = re.compile(r"-?(0|[1-9]\d*)")  # not 007: what is padded with zeros is a code, not a number,
LARGEST = 2**63 - 1  # and so is what has more than 64 bits
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")


def names(path: Path) -> list[str]:
    """Return the columns of a table."""
    with _lines_of(path) as file:
        try:
            header: list[str] = next(_reader(path, file), [])
        except csv.Error as error:
            raise BadInput(f"{path.name}, line 1: {error}") from error
        if not header:
            raise BadInput(f"{path.name} is empty; its first line must name the columns")
        columns = _columns(header)
        twice = {name for name in columns if name and columns.count(name) > 1}
        if twice:
            raise BadInput(f"{path.name} has the column {min(twice)!r} twice; rename one")
        return columns


def rows(
    path: Path, texts: frozenset[str], reached: Reached
) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Yield each row by its line, or why it is none; the columns of `texts` stay text."""
    with _lines_of(path) as file:
        reader = _reader(path, file)
        header = _columns(next(reader, []))
        # With where each line ends, to the size of a buffer: the sample is read before it is yielded.
        lines = ((*line, file.buffer.tell()) for line in _lines(reader, header))
        sample = list(islice(lines, SAMPLE))
        kinds = {
            name: _kind([row[name] for _, row, _ in sample if not isinstance(row, str)])
            for name in header
            if name not in texts
        }
        size = path.stat().st_size
        for number, row, end in chain(sample, lines):
            reached(end / size)
            yield number, row if isinstance(row, str) else _typed(row, kinds)


def _lines(reader: Any, header: list[str]) -> Iterator[tuple[int, dict[str, str] | str]]:
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, f"line {reader.line_num}: {error}"
            continue
        number = reader.line_num
        if not fields:
            continue
        if len(fields) != len(header):
            yield number, f"line {number} has {len(fields)} fields, the header names {len(header)}"
        elif any("\udc80" <= character <= "\udcff" for character in "".join(fields)):
            yield number, f"line {number} is not UTF-8 text"
        else:
            yield number, dict(zip(header, fields, strict=True))


def _columns(header: list[str]) -> list[str]:
    return [name.strip() for name in header]


@contextmanager
def _lines_of(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as file:
        start = file.read(2)
    encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    # A byte that is no UTF-8 is kept as a lone surrogate, so that it costs its own row and no other.
    errors = "strict" if encoding == "utf-16" else "surrogateescape"
    with path.open(encoding=encoding, errors=errors, newline="") as lines:
        yield lines


def _reader(path: Path, lines: TextIO) -> Any:
    csv.field_size_limit(MAX_FIELD)
    return csv.reader(lines, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")


def _kind(values: list[str]) -> str:
    filled = [value.strip() for value in values if value.strip()]
    if not filled:
        return "text"
    if all(value.lower() in ("true", "false") for value in filled):
        return "boolean"
    return "number" if all(map(_is_number, filled)) else "text"


def _is_number(words: str) -> bool:
    if INTEGER.fullmatch(words):
        return len(words) <= len(str(-LARGEST)) and abs(int(words)) <= LARGEST
    return NUMBER.fullmatch(words) is not None


def _typed(row: Mapping[str, str], kinds: Mapping[str, str]) -> dict[str, Any]:
    return {name: _value(value, kinds.get(name, "text")) for name, value in row.items()}


def _value(value: str, kind: str) -> Any:
    words = value.strip()
    if kind == "number" and _is_number(words):
        return int(words) if INTEGER.fullmatch(words) else float(words)
    if kind == "boolean" and words.lower() in ("true", "false"):
        return words.lower() == "true"
    return value  # a later value of another type stays text, and the gallery says what is wrong with it
