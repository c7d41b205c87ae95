"""The bundled teller, loaded once, and the sample photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.telling import open_captioner
from engine.telling.mini import MiniTeller

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"


@pytest.fixture(scope="session")
def teller() -> MiniTeller:
    opened = open_captioner()
    assert isinstance(opened, MiniTeller)
    return opened


@pytest.fixture
def sample() -> Path:
    if not (SAMPLE / "cat.png").exists():
        pytest.skip("the sample photographs are not here: run `make test`, or python data/sample.py")
    return SAMPLE
