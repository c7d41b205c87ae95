"""`/v1/sessions`: conversations over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from serving import client_of
from starlette.testclient import TestClient

from api.http import Settings, create_app


def say(client: TestClient, id: str, text: str, **more: Any) -> Any:
    reply = client.post(f"/v1/sessions/{id}/say", json={"text": text, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.fixture
def session(client: TestClient) -> str:
    reply = client.post("/v1/sessions", json={})
    assert reply.status_code == 201
    assert reply.json()["query"] is None and reply.json()["turns"] == []
    return str(reply.json()["id"])


def test_a_conversation(client: TestClient, session: str) -> None:
    first = say(client, session, "red", k=3)
    assert first["understood"] == ["new search: red"]
    assert [hit["rank"] for hit in first["result"]["hits"]] == [1, 2, 3]
    assert first["session"]["shown"] == [hit["id"] for hit in first["result"]["hits"]]
    turn = say(client, session, "the same without blue")
    assert turn["session"]["query"]["written"] == '"red" - "blue"*0.5'
    assert turn["session"]["query"] == turn["result"]["query"]
    assert client.get(f"/v1/sessions/{session}").json() == turn["session"]
    edited = client.put(
        f"/v1/sessions/{session}/query", json={"query": "green", "filter": "width > 0"}
    ).json()
    assert edited["session"]["filter"] == "width > 0" and edited["said"] is None
    assert edited["result"]["hits"][0]["uri"].endswith("/green.png")
    undone = client.post(f"/v1/sessions/{session}/undo").json()
    assert undone["session"]["query"]["written"] == '"red" - "blue"*0.5'
    assert undone["session"]["filter"] is None
    assert [t["said"] for t in undone["session"]["turns"]] == ["red", "the same without blue", None, None]
    assert client.delete(f"/v1/sessions/{session}").status_code == 204
    assert client.get(f"/v1/sessions/{session}").status_code == 404


def test_an_empty_query_has_no_result(client: TestClient, session: str) -> None:
    say(client, session, "red")
    over = say(client, session, "start over")
    assert (over["result"], over["session"]["query"], over["session"]["can_undo"]) == (None, None, True)


@pytest.mark.parametrize(
    ("method", "route", "body", "status", "name"),
    [
        ("GET", "", None, 404, "session-not-found"),
        ("DELETE", "", None, 404, "session-not-found"),
        ("POST", "/say", {"text": "red"}, 404, "session-not-found"),
        ("POST", "/say", {"text": "red", "k": 101}, 422, "invalid-request"),
        ("POST", "/say", {}, 422, "invalid-request"),
        ("PUT", "/query", {"query": "red", "more": 1}, 422, "invalid-request"),
    ],
)
def test_no_such_session(
    client: TestClient, method: str, route: str, body: Any, status: int, name: str
) -> None:
    reply = client.request(method, f"/v1/sessions/none{route}", json=body)
    assert (reply.status_code, reply.json()["type"]) == (status, f"urn:crosslight:problem:{name}")


def test_what_is_not_understood_leaves_the_session(client: TestClient, session: str, gallery: Path) -> None:
    before = say(client, session, "red")["session"]
    for text in (
        "more like the ninety-ninth",
        "more like #99",
        "where nothing = 1",
        f'image:"{gallery}/x.png"',
    ):
        reply = client.post(f"/v1/sessions/{session}/say", json={"text": text})
        if reply.status_code == 200:
            client.post(f"/v1/sessions/{session}/undo")
            continue
        assert (reply.status_code, reply.json()["type"]) == (422, "urn:crosslight:problem:bad-input")
    reply = client.put(f"/v1/sessions/{session}/query", json={"query": '"red'})
    assert reply.status_code == 422 and "^" in reply.json()["detail"]
    after = client.get(f"/v1/sessions/{session}").json()
    assert after["query"] == before["query"]


def test_an_expired_session_is_gone(gallery: Path) -> None:
    with client_of(create_app(Settings(gallery, session_hours=1e-7))) as client:
        id = client.post("/v1/sessions", json={}).json()["id"]
        reply = client.post(f"/v1/sessions/{id}/say", json={"text": "red"})
        assert (reply.status_code, reply.json()["type"]) == (410, "urn:crosslight:problem:session-expired")
        assert "begin a new one" in reply.json()["detail"]


def test_a_session_survives_the_service(gallery: Path) -> None:
    with client_of(create_app(Settings(gallery))) as client:
        id = client.post("/v1/sessions", json={"query": "red"}).json()["id"]
    with client_of(create_app(Settings(gallery))) as client:
        assert say(client, id, "without blue")["session"]["query"]["written"] == '"red" - "blue"*0.5'
