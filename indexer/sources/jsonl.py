"""JSONL: one JSON object a line; a line that is none is reported by its number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from indexer.sources.found import Reached, untold

SAMPLE = 1000  # lines whose names are the columns of the table


def names(path: Path) -> list[str]:
    """Return the names that the first objects have, in the order they come."""
    seen: dict[str, None] = {}
    for _, row in islice(rows(path, frozenset(), untold), SAMPLE):
        if not isinstance(row, str):
            seen.update(dict.fromkeys(row))
    return list(seen)


def rows(
    path: Path, texts: frozenset[str], reached: Reached
) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Yield each line's object by its number, or why it is none; JSON has types, so `texts` needs no care."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            end += len(line)
            reached(end / size)
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except UnicodeDecodeError:
                yield number, f"line {number} is not UTF-8 text"
                continue
            except (ValueError, RecursionError) as error:
                yield number, f"line {number}: not JSON: {error}"
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                yield number, f"line {number}: expected an object, this is a {type(row).__name__}"
