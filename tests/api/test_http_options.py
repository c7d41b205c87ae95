"""`POST /v1/search`: groups, diversity and pages, as the engine makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving import COLORS
from starlette.testclient import TestClient
from test_http_search import ids, search

from api.http.asking import SearchRequest, to_rerank
from engine import Budget, SearchEngine


def names(reply: dict[str, object]) -> list[str]:
    return [Path(hit["uri"]).name for hit in reply["hits"]]  # type: ignore[attr-defined]


@pytest.fixture
def twins(gallery: Path, tmp_path: Path) -> None:
    """The red picture again: once byte for byte, once in another size."""
    pictures = tmp_path / "pictures"
    (pictures / "red-copy.png").write_bytes((pictures / "red.png").read_bytes())
    Image.new("RGB", (90, 70), "red").save(pictures / "red-small.png")
    with SearchEngine.open(gallery) as engine:
        engine.add([pictures / "red-copy.png", pictures / "red-small.png"])


def test_near_duplicates_stand_behind_one_hit(client: TestClient, twins: None) -> None:
    assert len(search(client, text="red")["hits"]) == 7
    reply = search(client, text="red", group=True)
    assert len(reply["hits"]) == 5
    first = reply["hits"][0]
    shown = {Path(first["uri"]).name, *(Path(one["uri"]).name for one in first["alike"])}
    assert shown == {"red.png", "red-copy.png", "red-small.png"}
    assert sorted(one["exact"] for one in first["alike"]) in ([False, False], [False, True])
    assert all(one["likeness"] > 0.95 for one in first["alike"])


def test_diversity_prefers_hits_unlike_those_above(client: TestClient, twins: None) -> None:
    plain, diverse = search(client, text="red", k=3), search(client, text="red", k=3, diversity=0.9)
    assert all(name.startswith("red") for name in names(plain))
    assert sum(name.startswith("red") for name in names(diverse)) < 3
    assert diverse["notes"]


def test_pages_add_up_to_the_whole(client: TestClient) -> None:
    whole = ids(search(client, query="red", k=10))
    seen: list[int] = []
    page = None
    while True:
        reply = search(client, query="red", k=2, **({"page": page} if page else {}))
        seen += ids(reply)
        page = reply["next_page"]
        if page is None:
            break
    assert seen == whole and len(seen) == len(COLORS)


def test_a_page_of_another_query_is_refused(client: TestClient) -> None:
    page = search(client, query="red", k=2)["next_page"]
    response = client.post("/v1/search", json={"query": "blue", "page": page})
    assert response.status_code == 422
    assert response.json()["type"] == "urn:crosslight:problem:bad-input"


def test_the_options_travel_in_a_form_too(client: TestClient, twins: None) -> None:
    fields = {"text": "red", "group": "true", "diversity": "0.5", "k": "2"}
    response = client.post("/v1/search", files={name: (None, value) for name, value in fields.items()})
    assert response.status_code == 200, response.text
    assert response.json() | {"timings": 0} == search(client, text="red", group=True, diversity=0.5, k=2) | {
        "timings": 0
    }


def test_signals_travel_in_a_form_too(client: TestClient) -> None:
    def form(**fields: str) -> Any:
        return client.post("/v1/search", files={name: (None, value) for name, value in fields.items()})

    plain, named = search(client, text="yellow"), search(client, text="yellow", signals={"lexical": 1})
    assert len(plain["hits"]) == len(COLORS) and len(named["hits"]) == 1
    assert ids(form(text="yellow", signals='{"lexical": 1}').json()) == ids(named)
    for wrong in ("lexical=1", '{"lexical": "a lot"}', "[1]"):
        response = form(text="yellow", signals=wrong)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"].startswith("signals")


def test_a_precision_needs_a_model_that_knows_how_sure_it_is(client: TestClient) -> None:
    response = client.post("/v1/search", json={"query": "red", "precision": 0.9})
    assert response.status_code == 422
    assert "precision 0.9 needs the probability of each hit" in response.json()["detail"]


@pytest.mark.parametrize("budget", [{"milliseconds": 0}, {"candidates": 0}, {"seconds": 1}, "soon"])
def test_a_budget_that_is_none_is_refused(client: TestClient, budget: object) -> None:
    response = client.post("/v1/search", json={"query": "red", "rerank": budget})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].startswith("rerank")


def test_a_budget_becomes_the_engines() -> None:
    for given, expected in (
        ({"milliseconds": 50, "candidates": 3}, Budget(50, 3)),
        ({"candidates": 3}, Budget(None, 3)),
        (False, False),
    ):
        assert to_rerank(SearchRequest.model_validate({"query": "red", "rerank": given})) == expected
