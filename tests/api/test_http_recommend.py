"""`POST /v1/recommend`."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient


def ids(client: TestClient) -> dict[str, int]:
    hits = client.post("/v1/search", json={"text": "red", "kind": "image", "k": 20}).json()["hits"]
    return {hit["uri"].rpartition("/")[2].removesuffix(".png"): hit["id"] for hit in hits}


def test_a_recommendation_with_its_reason(client: TestClient) -> None:
    item = ids(client)
    history = [
        {"item": item["red"]},
        {"item": item["white"], "event": "hidden", "time": "2026-11-02T10:00:00Z"},
    ]
    reply = client.post("/v1/recommend", json={"history": history, "k": 2})
    assert reply.status_code == 200, reply.text
    first, second = reply.json()["items"]
    assert (first["rank"], first["uri"].rpartition("/")[2]) == (1, "yellow.png")  # of red and green
    assert second["id"] not in (item["red"], item["white"])
    assert first["reason"]["like"]["id"] == item["red"]
    assert reply.json()["interests"] == [{"share": 1.0, "items": [item["red"]]}]


@pytest.mark.parametrize(
    ("body", "status", "name", "says"),
    [
        ({"history": []}, 422, "bad-input", "the history is empty"),
        ({"history": [{"item": 99}]}, 404, "item-not-found", "none of the 1 items"),
        ({"history": [{"item": 1, "event": "hidden"}]}, 422, "bad-input", "none is liked"),
        ({"history": [{"item": 1, "event": "loved"}]}, 422, "invalid-request", "history.0.event"),
        ({"history": [{"item": 1, "time": "yesterday"}]}, 422, "invalid-request", "history.0.time"),
        ({"history": [{"item": 1}], "filter": "width >"}, 422, "bad-input", "^"),
    ],
)
def test_what_cannot_be_is_said(
    client: TestClient, body: dict[str, object], status: int, name: str, says: str
) -> None:
    reply = client.post("/v1/recommend", json=body)
    assert (reply.status_code, reply.json()["type"]) == (status, f"urn:crosslight:problem:{name}")
    assert says in reply.json()["detail"]
