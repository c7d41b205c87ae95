"""A Hugging Face dataset that was saved to disk, through `datasets` (the extra `hf`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from indexer.sources.columns import choose_columns
from indexer.sources.found import Found, Reached, Reading
from indexer.sources.table import Table, found_in


def is_dataset(folder: Path) -> bool:
    """Say whether a folder is what `save_to_disk` writes."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "dataset_info.json").is_file() and (folder / "state.json").is_file()
    )


def read_dataset(folder: Path, reading: Reading) -> Iterator[Found]:
    """Find the items of a dataset; of several splits, each row has its own in the column `split`."""
    if find_spec("datasets") is None:
        raise BadInput(f"reading {folder} needs datasets; install it with: pip install 'crosslight[hf]'")
    if not is_dataset(folder):
        raise BadInput(f"{folder} is no dataset saved to disk; save one with dataset.save_to_disk(FOLDER)")
    from datasets import Dataset, load_from_disk

    try:
        loaded = load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} cannot be read as a dataset: {error}") from error
    splits = {None: loaded} if isinstance(loaded, Dataset) else dict(loaded)
    tables = []
    for split, dataset in splits.items():
        columns = choose_columns(dataset.column_names, reading.columns, str(folder))
        place = folder / split if split is not None else folder
        tables.append((Table(place, columns, reading.images or folder), dataset, split))
    return _in_order(tables, reading.reached)


def _in_order(tables: Sequence[tuple[Table, Any, str | None]], reached: Reached) -> Iterator[Found]:
    size = sum(len(dataset) for _, dataset, _ in tables)
    before = 0
    for table, dataset, split in tables:
        told = partial(_tell, reached, before, size)
        yield from found_in(table, _rows(dataset, split, told))
        before += len(dataset)


def _tell(reached: Reached, before: int, size: int, number: int) -> None:
    reached((before + number) / size)


def _rows(
    dataset: Any, split: str | None, told: Callable[[int], None]
) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    from datasets import ClassLabel, Image

    labels = {}
    for name, feature in dataset.features.items():
        if isinstance(feature, Image):
            dataset = dataset.cast_column(
                name, Image(decode=False)
            )  # its bytes, which the indexer decodes itself
        elif isinstance(feature, ClassLabel):
            labels[name] = feature
    for number, row in enumerate(dataset, start=1):
        named = {name: labels[name].int2str(row[name]) for name in labels if row[name] is not None}
        told(number)
        yield number, {**row, **named, **({"split": split} if split is not None else {})}
