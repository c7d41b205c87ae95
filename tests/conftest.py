"""Pictures and galleries that tests share: real files, a real SQLite, a real FAISS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from engine import SearchEngine

COLORS = ("red", "green", "blue", "yellow", "white", "black", "orange", "purple")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one PNG for each of eight colors, each of its own size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, color in enumerate(COLORS):
        Image.new("RGB", (40 + 10 * n, 60), color).save(folder / f"{color}.png")
    return folder


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Where a gallery will be."""
    return tmp_path / "test.gallery"


@pytest.fixture
def engine(gallery: Path, photos: Path) -> Iterator[SearchEngine]:
    """A gallery of the eight colors, open for writing."""
    with SearchEngine.open(gallery, model="color") as opened:
        opened.add(sorted(photos.iterdir()))
        yield opened
