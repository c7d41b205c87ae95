"""`POST /v1/ingest`, idempotency keys, and what browses a gallery: pages, facets, filters."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import client_of, picture_bytes, running
from starlette.testclient import TestClient

from api.http import Settings, create_app
from engine import Item, SearchEngine

NDJSON = {"content-type": "application/x-ndjson"}


def line(number: int, **more: Any) -> dict[str, Any]:
    return {"uri": f"note:{number:04}", "kind": "text", "text": f"word{number}", **more}


def body(*documents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in text.splitlines()]


def test_each_line_is_told_of_and_the_counts_come_last(client: TestClient) -> None:
    image = base64.b64encode(picture_bytes("cyan")).decode()
    picture = {"uri": "shot:1", "kind": "image", "image": image, "text": "a cyan square"}
    broken = {**picture, "uri": "shot:2", "image": "R0lGODlh"}
    sent = body(line(1), picture, broken) + b"{nope\n\n" + body({"kind": "text"}, line(2))[:-1]
    response = client.post("/v1/ingest", content=sent, headers=NDJSON)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-ndjson")
    *told, last = lines_of(response.text)
    assert [(one["line"], one["status"]) for one in told] == [
        (1, "added"), (2, "added"), (3, "failed"), (4, "failed"), (6, "failed"), (7, "added"),
    ]  # fmt: skip
    assert told[1]["id"] and told[2]["reason"] and "uri" in told[4]["reason"]
    assert last == {"done": True, "lines": 7, "added": 3, "updated": 0, "unchanged": 0, "failed": 3}
    hits = client.post("/v1/search", json={"text": "cyan", "k": 1}).json()["hits"]
    assert hits[0]["uri"] == "shot:1"


def test_results_come_while_the_body_is_still_being_sent(gallery: Path) -> None:
    """The second line is only sent once the first one's result is there."""
    with running(create_app(Settings(gallery))) as address, httpx.Client(base_url=address) as client:
        import socket
        from urllib.parse import urlsplit

        port = urlsplit(address).port
        with socket.create_connection(("127.0.0.1", port or 0), timeout=20) as connection:
            head = (
                f"POST /v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NDJSON['content-type']}\r\n"
            )
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            first = body(line(1))
            connection.sendall(f"{len(first):x}\r\n".encode() + first + b"\r\n")
            seen = b""
            while b'"added"' not in seen:
                seen += connection.recv(4096)
            assert client.get("/v1/items", params={"filter": 'uri = "note:0001"'}).json()["items"]
            second = body(line(2))
            connection.sendall(f"{len(second):x}\r\n".encode() + second + b"\r\n0\r\n\r\n")
            while b'"done"' not in seen:
                seen += connection.recv(4096)
    assert b'"added": 2' in seen


def test_a_client_that_reads_nothing_until_it_has_sent_all_is_not_stuck(gallery: Path) -> None:
    def many() -> Iterator[bytes]:
        for number in range(3000):
            yield body(line(number % 40))

    with running(create_app(Settings(gallery))) as address:
        response = httpx.post(f"{address}v1/ingest", content=many(), headers=NDJSON, timeout=60)
    assert lines_of(response.text)[-1]["lines"] == 3000


def test_a_line_over_the_limit_ends_the_stream_with_what_was_added_kept(gallery: Path) -> None:
    with client_of(create_app(Settings(gallery, max_body_bytes=2000))) as client:
        long = line(99, metadata={"a": "x" * 4000})
        assert client.post("/v1/ingest", content=body(long), headers=NDJSON).status_code == 413
        sent = body(*(line(n) for n in range(40)), long)
        last = lines_of(client.post("/v1/ingest", content=sent, headers=NDJSON).text)[-1]
        assert (last["line"], last["error"]["status"]) == (33, 413)
        assert client.get("/v1/info").json()["items"] == 7 + 32
    with client_of(create_app(Settings(gallery, max_stream_bytes=3000))) as client:
        assert client.post("/v1/ingest", content=sent, headers=NDJSON).status_code == 413


def test_another_type_and_another_writer_are_refused_before_anything(
    client: TestClient, gallery: Path
) -> None:
    assert client.post("/v1/ingest", json={}).status_code == 415
    with SearchEngine.open(gallery) as other, other.writing():
        response = client.post("/v1/ingest", content=body(line(1)), headers=NDJSON)
    assert (response.status_code, response.json()["type"]) == (409, "urn:crosslight:problem:gallery-busy")


@pytest.mark.parametrize("path", ["/v1/items", "/v1/ingest"])
def test_the_same_key_gives_the_first_answer_and_does_nothing_twice(client: TestClient, path: str) -> None:
    def send(key: str, number: int) -> Any:
        headers = {"idempotency-key": key}
        if path == "/v1/items":
            return client.post(path, json={"items": [line(number)]}, headers=headers)
        return client.post(path, content=body(line(number)), headers={**headers, **NDJSON})

    first, again = send("a", 1), send("a", 1)
    assert first.status_code == again.status_code == 200
    assert first.text == again.text and '"added"' in again.text
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    other = send("a", 2)
    assert (other.status_code, other.json()["type"]) == (409, "urn:crosslight:problem:key-reused")
    assert '"unchanged"' in send("b", 1).text


def test_a_key_expires_and_an_error_is_not_kept(gallery: Path) -> None:
    with client_of(create_app(Settings(gallery, repeat_hours=1e-9))) as client:
        sent = {"json": {"items": [line(1)]}, "headers": {"idempotency-key": "a"}}
        assert client.post("/v1/items", **sent).json()["added"] == 1
        assert client.post("/v1/items", **sent).json()["unchanged"] == 1
    with client_of(create_app(Settings(gallery))) as client:
        with SearchEngine.open(gallery) as other, other.writing():
            sent = {**sent, "headers": {"idempotency-key": "b"}}
            assert client.post("/v1/items", **sent).status_code == 409
        assert client.post("/v1/items", **sent).json()["unchanged"] == 1


def test_pages_of_items_hold_still_while_others_come_and_go(client: TestClient) -> None:
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = client.get("/v1/items", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        if len(seen) == 3:
            client.delete(f"/v1/items/{seen[1]}")
            client.post("/v1/items", json={"items": [line(1)]})
    assert len(seen) == len(set(seen)) == 8 and seen == sorted(seen)
    texts = client.get("/v1/items", params={"filter": 'kind = "text"', "limit": 1}).json()
    assert texts["items"][0]["uri"] == "note:1"
    for wrong in ("!", texts["next_cursor"]):
        assert client.get("/v1/items", params={"cursor": wrong}).status_code == 422


@pytest.fixture
def albums(client: TestClient, gallery: Path) -> None:
    metadata = [("a", 2020, True), ("a", 2021, False), ("b", 2021, True)]
    with SearchEngine.open(gallery) as engine:
        engine.add(
            Item(f"n:{n}", "text", text=f"album{n}", metadata={"album": a, "of": y, "good": g})
            for n, (a, y, g) in enumerate(metadata)
        )


def test_facets_count_values_of_all_of_some_and_of_a_query(client: TestClient, albums: None) -> None:
    def facets(**asked: Any) -> Any:
        response = client.post("/v1/facets", json=asked)
        assert response.status_code == 200, response.text
        return response.json()

    found = facets(columns=["album", "of", "good", "kind"])
    assert found["counted"] == 10
    assert found["facets"]["album"] == [{"value": "a", "count": 2}, {"value": "b", "count": 1}]
    assert found["facets"]["of"] == [{"value": 2021, "count": 2}, {"value": 2020, "count": 1}]
    assert found["facets"]["good"] == [{"value": True, "count": 2}, {"value": False, "count": 1}]
    assert found["facets"]["kind"] == [{"value": "image", "count": 5}, {"value": "text", "count": 5}]
    narrowed = facets(columns=["album"], filter="of = 2021", most=1)
    assert narrowed == {"counted": 2, "facets": {"album": [{"value": "a", "count": 1}]}}
    asked = facets(columns=["album", "format"], query="red", first=2)
    assert asked["counted"] == 2 and asked["facets"]["format"] == [{"value": "PNG", "count": 2}]
    for wrong in ({"columns": ["albun"]}, {"columns": ["uri"]}, {"columns": ["album"], "filter": "album ="}):
        assert client.post("/v1/facets", json=wrong).status_code == 422


def test_a_filter_can_be_tried_out(client: TestClient, albums: None) -> None:
    tried = client.post("/v1/filter", json={"filter": "of >= 2021"}).json()
    assert (tried["allowed"], tried["held"]) == (2, 10)
    assert tried["columns"]["album"] == "text" and tried["columns"]["good"] == "boolean"
    wrong = client.post("/v1/filter", json={"filter": "of >="})
    assert wrong.status_code == 422 and "^" in wrong.json()["detail"]
