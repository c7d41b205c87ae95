"""Parquet, through pyarrow (the extra `parquet`), a few rows at a time: cells may be whole pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from indexer.sources.found import Reached

ROWS = 64


def names(path: Path) -> list[str]:
    """Return the columns of a table."""
    if find_spec("pyarrow") is None:
        raise BadInput(
            f"reading {path.name} needs pyarrow; install it with: pip install 'crosslight[parquet]'"
        )
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as table:
            return list(table.schema_arrow.names)
    except (ArrowException, OSError) as error:
        raise BadInput(f"{path} is no whole Parquet file: {error}") from error


def rows(
    path: Path, texts: frozenset[str], reached: Reached
) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Yield the rows, numbered from 1; Parquet has types, so `texts` needs no care."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=ROWS, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    reached(number / table.metadata.num_rows)
                    yield number, row
    except (ArrowException, OSError) as error:
        yield number + 1, f"{path} is no whole Parquet file, after row {number:,}: {error}"
