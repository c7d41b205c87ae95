"""Real servers for the clients of other services: one that sees color, one with the bundled model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import fill, picture_bytes, running
from written import data_uri

from api.http import Settings, create_app
from engine import SearchEngine

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
PHOTOS = ("pagoda.jpg", "brick-wall.png", "stone-arches.jpg")


@pytest.fixture(scope="session")
def red() -> str:
    """A red picture, as a `data:` URI."""
    return data_uri(picture_bytes("red"))


@pytest.fixture(scope="session")
def blue() -> str:
    return data_uri(picture_bytes("blue"))


@pytest.fixture(scope="session")
def colors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of colored pictures and two texts, not to be written to."""
    folder = tmp_path_factory.mktemp("doors")
    fill(folder / "gallery", folder / "pictures")
    return folder / "gallery"


@pytest.fixture(scope="session")
def address(colors: Path) -> Iterator[str]:
    """A server of that gallery; without a slash at the end."""
    with running(create_app(Settings(colors))) as url:
        yield url.rstrip("/")


@pytest.fixture(scope="session")
def photographs() -> list[Path]:
    return [SAMPLE / name for name in PHOTOS]


@pytest.fixture(scope="session")
def mini_address(tmp_path_factory: pytest.TempPathFactory, photographs: list[Path]) -> Iterator[str]:
    """A server with the bundled model and its reranker, over three photographs."""
    gallery = tmp_path_factory.mktemp("mini") / "gallery"
    with SearchEngine.open(gallery, model="mini", device="cpu") as engine:
        engine.add(photographs)
        with running(create_app(Settings(gallery), engine)) as url:
            yield url.rstrip("/")
