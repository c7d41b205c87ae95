"""What the service tells of itself, and how it keeps callers within bounds."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving import BASE_URL, client_of, picture_bytes, running, wait_until
from starlette.testclient import TestClient

from api.http import Settings, create_app
from api.http.watching import JsonLines, request_id

SITE = "https://example.org"


def test_metrics_count_requests_encodes_and_items(client: TestClient) -> None:
    for _ in range(3):
        client.post("/v1/search", json={"text": "red"})
    client.get("/nowhere/at/all")
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert samples["crosslight_requests_total", "/v1/search", "200", "POST"] == 3
    assert samples["crosslight_requests_total", "404", "GET", "other"] == 1
    assert samples["crosslight_items", "gallery"] == 7
    assert samples["crosslight_encode_inputs_total", "gallery", "texts"] == 3
    assert samples["crosslight_request_seconds_count", "/v1/search"] == 3
    assert samples["process_resident_memory_bytes",] > 0
    table = client.get("/metrics-summary").text
    row = next(line for line in table.splitlines() if line.startswith("/v1/search"))
    assert row.split()[1:3] == ["3", "0"] and "p99" in table and "7 items" in table


def test_every_answer_has_a_request_id_and_a_sound_one_is_kept(client: TestClient) -> None:
    assert client.get("/healthz", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = {client.get(path).headers["x-request-id"] for path in ("/healthz", "/nowhere")}
    assert len(made) == 2
    forged = client.get("/healthz", headers={"x-request-id": "a b\tc"}).headers["x-request-id"]
    assert forged not in ("a b\tc", "")


def test_a_request_leaves_one_json_line_with_its_id(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "crosslight.requests"):
        client.get("/v1/items/wor%0Ad", headers={"x-request-id": "abc"})
    (record,) = caplog.records
    token = request_id.set("abc")
    document = json.loads(JsonLines().format(record))
    request_id.reset(token)
    assert "\n" not in JsonLines().format(record)
    assert (document["request_id"], document["status"], document["method"]) == ("abc", 422, "GET")
    assert (document["path"], document["route"]) == ("/v1/items/wor%0Ad", "/v1/items/{id}")


def test_health_tells_ok_from_degraded_from_down(gallery: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    with client_of(create_app(Settings(gallery, keys=keys))) as client:
        assert client.get("/v1/health").json() == {"status": "ok", "reasons": []}
        keys.write_text("nonsense")
        health = client.get("/v1/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        assert "is no file of API keys" in health.json()["reasons"][0]
    down = TestClient(create_app(Settings(gallery)), base_url=BASE_URL).get("/v1/health")  # it never starts
    assert (down.status_code, down.json()["detail"]) == (503, "The gallery is not open")


def test_one_caller_may_ask_only_so_often(gallery: Path) -> None:
    with client_of(create_app(Settings(gallery, rate="3/minute"))) as client:
        statuses = [client.get("/v1/info").status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = client.get("/v1/info")
        assert 1 <= int(refused.headers["retry-after"]) <= 60 and "3 per 1 minute" in refused.json()["detail"]
        assert client.get("/healthz").status_code == 200


def test_one_request_too_many_is_told_to_come_back(gallery: Path) -> None:
    """While one request is still being sent the next is refused at once, and nothing breaks."""
    app = create_app(Settings(gallery, max_requests=1))
    go = threading.Event()

    def slow() -> object:
        yield b'{"text": '
        assert go.wait(20)
        yield b'"red"}'

    with running(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        wait_until(lambda: client.get("readyz").status_code == 200)
        answers: list[httpx.Response] = []
        headers = {"content-type": "application/json"}
        first = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{address}v1/search", content=slow(), headers=headers))
        )
        wait_until(lambda: app.state.load.active == 0)  # what asked for readiness is gone
        first.start()
        wait_until(lambda: app.state.load.active == 1)
        refused = client.post("v1/search", json={"text": "red"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["type"] == "urn:crosslight:problem:overloaded"
        assert client.get("v1/health").json()["status"] == "degraded"
        go.set()
        first.join(20)
        assert answers[0].status_code == 200
        assert client.post("v1/search", json={"text": "red"}).status_code == 200


def test_pages_of_other_sites_may_ask_only_where_they_are_allowed(gallery: Path, client: TestClient) -> None:
    asked = {"json": {"text": "red"}, "headers": {"origin": SITE}}
    preflight = {"origin": SITE, "access-control-request-method": "POST"}
    assert client.post("/v1/search", **asked).status_code == 403
    assert client.options("/v1/search", headers=preflight).status_code == 405
    with client_of(create_app(Settings(gallery, cors_origins=(SITE,)))) as allowed:
        response = allowed.post("/v1/search", **asked)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == SITE
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
        assert allowed.options("/v1/search", headers=preflight).status_code == 200
        stranger = {**asked, "headers": {"origin": "https://evil.example"}}
        assert allowed.post("/v1/search", **stranger).status_code == 403


def test_documents_are_compressed_and_pictures_are_not(client: TestClient) -> None:
    packed = {"accept-encoding": "gzip"}
    found = client.post("/v1/search", json={"text": "red"}, headers=packed)
    assert found.headers["content-encoding"] == "gzip" and found.json()["hits"]
    plain = client.post("/v1/search", json={"text": "red"}, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    client.post("/v1/items", files={"files": picture_bytes("cyan", (400, 400), "BMP")})
    red = found.json()["hits"][0]["id"]
    assert "content-encoding" not in client.get(f"/v1/items/{red}/thumbnail", headers=packed).headers
