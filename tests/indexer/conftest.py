"""An empty gallery to index into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import SearchEngine


@pytest.fixture
def empty(gallery: Path) -> Iterator[SearchEngine]:
    """A gallery without items."""
    with SearchEngine.open(gallery, model="color", device="cpu") as engine:
        yield engine
