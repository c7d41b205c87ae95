"""Tiny saved models, each made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a tiny model by its name in `tiny.MAKERS`."""
    from tiny import MAKERS

    @cache
    def made(name: str) -> Path:
        return MAKERS[name](tmp_path_factory.mktemp(name))

    return made
