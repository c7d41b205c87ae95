"""Hugging Face datasets on disk, where the library is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from making import write_pictures

from engine import BadInput, Report, SearchEngine
from indexer import Reading, index, read
from indexer.sources import kind_of, read_all

needs_datasets = pytest.mark.skipif(
    find_spec("datasets") is None, reason="datasets is not installed (extra `hf`)"
)


@needs_datasets
def test_a_dataset_with_splits(tmp_path: Path, empty: SearchEngine) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value

    images = write_pictures(tmp_path / "img", "red.png", "blue.png")
    features = Features(
        {"image": Image(), "text": Value("string"), "label": ClassLabel(names=["warm", "cold"])}
    )
    splits = {
        split: Dataset.from_dict(
            {"image": [str(images / f"{color}.png")], "text": [f"a {color} one"], "label": [label]}, features
        )
        for label, (split, color) in enumerate((("train", "red"), ("test", "blue")))
    }
    folder = tmp_path / "saved"
    DatasetDict(splits).save_to_disk(str(folder))

    assert kind_of(folder)[0] == "hf"
    seen: list[tuple[int, int | None]] = []
    assert index(empty, [f"hf:{folder}"], progress=lambda *told: seen.append(told)) == Report(added=2)
    assert seen == [(2, 2)]
    found, extent = read_all([folder], Reading())
    next(found)
    assert extent.total == 2  # of both splits, when one row has been read

    item = empty.find(f"row:{folder}/test#1")
    assert (item.text, item.metadata["label"], item.metadata["split"]) == ("a blue one", "cold", "test")
    assert empty.search("red", k=1)[0].item.uri == f"row:{folder}/train#1"
    assert index(empty, [folder]) == Report(unchanged=2)


@needs_datasets
def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no dataset saved to disk; save one with"):
        read(f"hf:{tmp_path}", Reading())


@pytest.mark.parametrize(("source", "extra"), [("set.parquet", "parquet"), ("hf:.", "hf")])
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, extra: str
) -> None:
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [])  # nothing can be found, as where it was not installed
    for name in ("pyarrow", "datasets"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    with pytest.raises(BadInput, match=rf"install it with: pip install 'crosslight\[{extra}\]'"):
        read(source, Reading())
