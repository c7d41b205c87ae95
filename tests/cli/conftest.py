"""A gallery that the command made, shared by the tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import CPU, Ran, run
from PIL import Image

COLORS = ("red", "lime", "blue", "yellow", "white", "black")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture of each color; the red one has a caption."""
    folder = tmp_path_factory.mktemp("pictures")
    for n, color in enumerate(COLORS):
        Image.new("RGB", (40 + 10 * n, 60), color).save(folder / f"{color}.png")
    (folder / "red.txt").write_text("a red card\n", encoding="utf-8")
    (folder / "bad.jpg").write_text("this is a text file\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> tuple[Path, Ran]:
    """The gallery of the folder, and what `index --json` said."""
    path = tmp_path_factory.mktemp("shared") / "colors.gallery"
    return path, run("index", pictures, "--gallery", path, "--model", "color", *CPU, "--json")


@pytest.fixture
def indexed(shared: tuple[Path, Ran]) -> Path:
    """The shared gallery; not to be written to."""
    return shared[0]
