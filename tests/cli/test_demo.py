"""The demo and the recipe of its photographs, without a network."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from command import ROOT, environment

DATA = ROOT / "data"
RECIPE = tomllib.loads((DATA / "sample.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sample() -> ModuleType:
    """data/sample.py as a module."""
    specification = importlib.util.spec_from_file_location("sample", DATA / "sample.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["sample"] = module
    specification.loader.exec_module(module)
    return module


def test_the_demo_searches_a_folder_of_ones_own(pictures: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(DATA / "demo.py"), str(pictures), "--model", "color"]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=60
    )

    (gallery,) = tmp_path.glob("demo-*.gallery")
    assert "6 added, 0 updated, 0 unchanged, 1 failed" in done.stdout
    assert "“food on a table”" in done.stdout and "like the picture" in done.stdout
    assert done.stdout.count("reranked") >= 6
    assert f"make serve GALLERY={gallery.name}" in done.stdout


def test_the_demo_says_so_when_a_folder_has_no_picture(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [sys.executable, str(DATA / "demo.py"), str(empty), "--model", "color"]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert f"error: there is no picture in {empty}" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_photograph_is_credited() -> None:
    credits = (DATA / "CREDITS.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in credits.splitlines() if " | " in line}

    assert len(RECIPE["pictures"]) == len({picture["sha256"] for picture in RECIPE["pictures"]}) >= 20
    for picture in RECIPE["pictures"]:
        row = rows[picture["name"]]
        assert picture["author"] in row and picture["license"] in row and picture.get("source", "") in row
        assert f"{picture['package']} {RECIPE['packages'][picture['package']]}" in row


def wheel_with(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_a_picture_is_taken_out_of_a_wheel_when_its_checksum_is_right(
    tmp_path: Path, sample: ModuleType
) -> None:
    wheel = wheel_with(tmp_path / "p.whl", {"p/data/a.png": b"picture"})
    picture = sample.Picture("cat.png", "p", "p/data/a.png", hashlib.sha256(b"picture").hexdigest())

    sample.extract(wheel, [picture], tmp_path)

    assert (tmp_path / "cat.png").read_bytes() == b"picture"
    assert picture.is_in(tmp_path)
    (tmp_path / "cat.png").write_bytes(b"pict")
    assert not picture.is_in(tmp_path)


def test_a_picture_with_another_checksum_is_refused(tmp_path: Path, sample: ModuleType) -> None:
    wheel = wheel_with(tmp_path / "p.whl", {"p/data/a.png": b"something else"})
    picture = sample.Picture("cat.png", "p", "p/data/a.png", hashlib.sha256(b"picture").hexdigest())

    with pytest.raises(sample.SampleError, match=r"a\.png of p\.whl has SHA-256 .*, expected"):
        sample.extract(wheel, [picture], tmp_path)

    assert not (tmp_path / "cat.png").exists()
