"""When nothing matches, on cosines made by hand, and the numbers that ship with mini."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from engine.calibration import NoMatch, evidence, read_calibration
from engine.encoders.weights import bundled_mini

JUDGE = NoMatch((1, 0, 0, 0, 0), (0, 0, 0, 0, 0), sizes=(4, 400), thresholds=(0.2, 0.4))


def nearest(best: float, count: int = 100) -> np.ndarray:
    return np.linspace(best, 0, count).astype(np.float32)


def test_evidence_by_hand() -> None:
    cosines = np.array([0.5, 0.3, *[0.1] * 8, *[0.0] * 200], dtype=np.float32)
    assert evidence(cosines) == pytest.approx([0.5, 0.2, 0.16, 0.016, cosines[:100].std()], abs=1e-6)
    assert evidence(cosines[:1]) == pytest.approx([0.5, 0, 0.5, 0.5, 0])


def test_the_threshold_rises_with_the_logarithm_of_the_size() -> None:
    for items, threshold in ((4, 0.2), (40, 0.3), (400, 0.4), (1_000_000, 0.4)):
        assert JUDGE.says(nearest(threshold + 0.01), items) is False
        assert JUDGE.says(nearest(threshold - 0.01), items) is True


def test_nothing_is_said_of_fewer_items_than_were_calibrated() -> None:
    assert JUDGE.says(nearest(0.01), 3) is None
    assert JUDGE.says(nearest(0.01, count=2), 50) is None
    assert JUDGE.says(nearest(0.01, count=0), 0) is None


def test_weights_change_with_the_size() -> None:
    judge = NoMatch((1, 0, 0, 0, 0), (0.5, 0, 0, 0, 0), sizes=(4, 400), thresholds=(0, 0))
    assert judge.score(nearest(0.4), 100) == pytest.approx(0.4)
    assert judge.score(nearest(0.4), 400) == pytest.approx(0.4 + 0.2 * np.log(4))
    assert judge.score(nearest(0.4), 400) == judge.score(nearest(0.4), 5_000)


def test_a_bundle_without_it_has_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"seed": 1}))
    assert read_calibration(tmp_path) is None


def test_what_ships_with_mini() -> None:
    known = read_calibration(bundled_mini())
    assert known is not None
    assert 0.8 < known.look_alike < 1 and 0 < known.lead < 1
    assert known.no_match.weights[0] > 0 and list(known.no_match.sizes) == sorted(known.no_match.sizes)
