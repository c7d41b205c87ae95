"""Filtered searches by the engine against the exact answer: every kind of index, every share, each plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from bench.galleries import TOWNS, opened
from bench.indexes import Data
from bench.recall import NEAR, truth
from engine import SearchEngine, models
from engine.index import APPROXIMATE, FLAT_KINDS
from engine.plan import OVER_FETCH_LEAST
from engine.types import Bitmap

ITEMS, DIM = OVER_FETCH_LEAST + 2_000, 32  # so many that each plan is chosen, built within seconds
HALF = f"place in ({', '.join(map(repr, TOWNS[4:]))})"
PLANS = {  # by filter: of flat kinds, and of approximate ones
    "chance < 0.001": ("pre-filter", "pre-filter"),
    "chance < 0.01": ("bitmap", "pre-filter"),
    "chance < 0.1": ("bitmap", "bitmap"),
    "chance < 0.5": ("bitmap", "bitmap"),  # the sample says less than half
    HALF: ("over-fetch", "over-fetch"),  # and of this more
    "chance < 1.0": ("over-fetch", "over-fetch"),
}


@dataclass(frozen=True)
class Searched:
    """A gallery with an index of one kind, and what its items are made of."""

    kind: str
    engine: SearchEngine
    data: Data

    def allowed(self, text: str) -> Bitmap:
        """Say which items a filter allows, by what they were made of."""
        if text == HALF:
            return np.arange(ITEMS) % len(TOWNS) >= 4
        return self.data.chances().astype(np.float64) < float(text.rpartition(" ")[2])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.FAMILIES, "given", models.FAMILIES["color"])  # forgotten again afterwards
        yield Data(tmp_path_factory.mktemp("recall"), ITEMS, DIM)


@pytest.fixture(scope="module", params=[*FLAT_KINDS, *APPROXIMATE])
def searched(data: Data, request: pytest.FixtureRequest) -> Iterator[Searched]:
    with opened(data, request.param) as engine:
        yield Searched(request.param, engine, data)


@pytest.mark.parametrize("text", PLANS)
def test_recall_under_a_filter(searched: Searched, text: str) -> None:
    allowed = searched.allowed(text)
    best = truth(searched.data, allowed)
    plan = searched.engine.search("query 0", k=10, filter=text, explain=True).plan
    assert plan.name == PLANS[text][searched.kind in APPROXIMATE]
    assert (plan.allowed, plan.held) == (np.count_nonzero(allowed), ITEMS)
    found = 0
    for place, scores in enumerate(best):
        hits = searched.engine.search(f"query {place}", k=10, filter=text).hits
        assert len(hits) == 10 and all(allowed[int(hit.item.text or "")] for hit in hits)
        found += sum(hit.score >= scores[-1] - NEAR for hit in hits)
    assert found / best.size >= 0.99, f"recall@10 of {searched.kind} where {text}: {found / best.size:.3f}"
    described = searched.engine.info()["index"]
    assert described["caption"]["kind"] == searched.kind  # type: ignore[index]
