"""The wheel holds all that a search needs, and nothing else: it is built, unpacked and searched with."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
SEARCH = """
import sys
from pathlib import Path
import engine, api.page
from engine import SearchEngine
assert Path(engine.__file__).is_relative_to(sys.argv[1]), engine.__file__
with SearchEngine.open(Path(sys.argv[1]) / "gallery") as gallery:
    gallery.add(Path(path) for path in sys.argv[2:])
    result = gallery.search("a red square")
    print(result.reranked, Path(result[0].item.uri).name)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=TOP, check=True, capture_output=True)
    (path,) = folder.glob("crosslight-*.whl")
    return path


def test_what_the_wheel_holds(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert packages == {"engine", "indexer", "api", "training"} and "training/LOG.md" not in names
    for needed in (
        "engine/models/mini/config.json",
        "engine/store/migrations/env.py",
        "engine/store/migrations/versions/0001_first_tables.py",
        "engine/py.typed",
        "api/page/index.html",
        "training/tune.py",
    ):
        assert needed in names
    assert any(name.startswith("engine/models/mini/") and name.endswith(".safetensors") for name in names)


@pytest.mark.mini
def test_a_search_with_the_wheel_alone(wheel: Path, photos: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    run = subprocess.run(
        [sys.executable, "-c", SEARCH, str(site), *map(str, sorted(photos.iterdir()))],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert run.stdout.startswith("True "), run.stderr
