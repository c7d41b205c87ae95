"""The drawn gallery, made once and copied for each test that changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from drawn import captioned_gallery

from training.tune import Options, tune


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery that nothing was trained on."""
    return captioned_gallery(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def drawn(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "drawn.gallery"))


@pytest.fixture(scope="session")
def taught(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery that has learned a reencoder of its own."""
    gallery = Path(shutil.copytree(made, tmp_path_factory.mktemp("taught") / "drawn.gallery"))
    assert tune(gallery, "reencoder", Options(steps=150)).kept == 1
    return gallery
