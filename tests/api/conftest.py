"""A gallery of small colored pictures, and a client of the app over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import client_of, fill
from starlette.testclient import TestClient

from api.http import Settings, create_app


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    fill(tmp_path / "gallery", tmp_path / "pictures")
    return tmp_path / "gallery"


@pytest.fixture
def client(gallery: Path) -> Iterator[TestClient]:
    with client_of(create_app(Settings(gallery))) as client:
        yield client
