"""One shape for every error: an RFC 9457 problem document, whatever went wrong and on whichever route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import BASE_URL, client_of, picture_bytes, wait_until
from starlette.testclient import TestClient

from api.http import Settings, create_app
from engine import SearchEngine

LIMIT = 2000


def check_problem(response: Any, status: int, name: str | None, says: str) -> None:
    """The shape that every error has to have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    document = response.json()
    errors = document.pop("errors", [])
    assert list(document) == ["type", "title", "status", "detail", "instance"]
    assert document["type"] == (f"urn:crosslight:problem:{name}" if name else "about:blank")
    assert document["status"] == status
    assert document["title"]
    assert says in document["detail"], document["detail"]
    assert document["instance"] == response.request.url.path
    assert all(set(error) == {"field", "detail"} for error in errors)


BAD_JSON = {"content": b"{nope", "headers": {"content-type": "application/json"}}
FORM_TWICE = {"files": [("image", b"a"), ("text", (None, "a")), ("text", (None, "b"))]}
NOT_FILES = {"files": {"files": (None, "words")}}
TEXT_ITEM = {"uri": "n", "kind": "text", "text": "t"}

# method, path, what is sent, status, the problem's name, what it says
PROBLEMS: list[tuple[str, str, dict[str, Any], int, str | None, str]] = [
    ("GET", "/nowhere", {}, 404, None, "nothing at /nowhere"),
    ("GET", "/page/nowhere.js", {}, 404, None, "nothing at /page/nowhere.js"),
    ("GET", "/page/../http/app.py", {}, 404, None, "nothing at"),
    ("GET", "/page/%2e%2e/http/app.py", {}, 404, None, "nothing at"),
    ("GET", "/docs", {}, 404, None, "nothing at /docs"),
    ("DELETE", "/v1/search", {}, 405, None, "DELETE is not possible at /v1/search"),
    ("GET", "/v1/items/999", {}, 404, "item-not-found", "999"),
    ("DELETE", "/v1/items/999", {}, 404, "item-not-found", "999"),
    ("GET", "/v1/items/999/image", {}, 404, "item-not-found", "999"),
    ("GET", "/v1/items/999/thumbnail", {}, 404, "item-not-found", "999"),
    ("GET", "/v1/items/word", {}, 422, "invalid-request", "path.id"),
    ("GET", f"/v1/items/{2**70}", {}, 422, "invalid-request", "path.id"),
    ("GET", "/v1/items/1/thumbnail?size=0", {}, 422, "invalid-request", "query.size"),
    ("GET", "/v1/items/1/thumbnail?size=9999", {}, 422, "invalid-request", "query.size"),
    (
        "POST",
        "/v1/search",
        {"json": {}},
        422,
        "invalid-request",
        "at least one of query, text, image, image_url, like and parts",
    ),
    ("POST", "/v1/search", {"json": []}, 422, "invalid-request", "body"),
    ("POST", "/v1/search", {"json": {"text": "red", "K": 1}}, 422, "invalid-request", "K: "),
    ("POST", "/v1/search", {"json": {"text": "red", "k": 0}}, 422, "invalid-request", "k: "),
    ("POST", "/v1/search", {"json": {"text": "red", "k": 10_001}}, 422, "invalid-request", "k: "),
    ("POST", "/v1/search", {"json": {"text": "red", "kind": "sound"}}, 422, "invalid-request", "kind: "),
    ("POST", "/v1/search", {"json": {"text": "  "}}, 422, "bad-input", "empty"),
    ("POST", "/v1/search", {"json": {"text": "red " * 100}}, 422, "bad-input", "64"),
    ("POST", "/v1/search", {"json": {"like": 999}}, 404, "item-not-found", "999"),
    ("POST", "/v1/search", {"json": {"like": 2**70}}, 422, "invalid-request", "like: "),
    ("POST", "/v1/search", {"json": {"image": "***"}}, 422, "invalid-request", "image: "),
    ("POST", "/v1/search", {"json": {"image": "data:image/png,x"}}, 422, "invalid-request", "image: "),
    ("POST", "/v1/search", {"json": {"image": ""}}, 422, "bad-picture", "empty"),
    ("POST", "/v1/search", {"files": {"image": b"<svg/>"}}, 422, "bad-picture", ""),
    ("POST", "/v1/search", FORM_TWICE, 422, "invalid-request", "text: given more than once"),
    ("POST", "/v1/search", {"content": b"x"}, 415, None, "application/json or multipart/form-data"),
    ("POST", "/v1/search", BAD_JSON, 400, None, "not JSON"),
    ("POST", "/v1/items", {"json": {"items": []}}, 422, "invalid-request", "items: "),
    (
        "POST",
        "/v1/items",
        {"json": {"items": [{"kind": "text"}]}},
        422,
        "invalid-request",
        "items.0.text.uri",
    ),
    (
        "POST",
        "/v1/items",
        {"json": {"items": [{**TEXT_ITEM, "metadata": {"a": [1]}}]}},
        422,
        "invalid-request",
        "metadata.a",
    ),
    ("POST", "/v1/items", {"files": {"other": b"x"}}, 422, "invalid-request", "other: unknown field"),
    ("POST", "/v1/items", NOT_FILES, 422, "invalid-request", "files: must be files"),
    (
        "POST",
        "/v1/items",
        {"files": {"metadata": (None, "{}")}},
        422,
        "invalid-request",
        "at least one picture",
    ),
    ("POST", "/v1/items", BAD_JSON, 400, None, "not JSON"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One gallery for all of the table: none of its requests changes anything."""
    from serving import fill

    root = tmp_path_factory.mktemp("problems")
    fill(root / "gallery", root / "pictures")
    with client_of(create_app(Settings(root / "gallery"))) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "sent", "status", "name", "says"), PROBLEMS)
def test_every_error_is_a_problem_document(
    shared: TestClient, method: str, path: str, sent: dict[str, Any], status: int, name: str | None, says: str
) -> None:
    check_problem(shared.request(method, path, **sent), status, name, says)


def test_each_wrong_field_is_named(shared: TestClient) -> None:
    response = shared.post("/v1/search", json={"text": "red", "k": 0, "kind": "sound"})
    assert [error["field"] for error in response.json()["errors"]] == ["kind", "k"]


def test_405_says_what_is_allowed(shared: TestClient) -> None:
    assert shared.get("/v1/search").headers["allow"] == "POST"


def test_an_unexpected_error_is_told_to_the_log_and_not_to_the_client(
    gallery: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = "https://example.org"
    app = create_app(Settings(gallery, cors_origins=(site,)))

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret cause")

    # Routes are asked in order and the page's files come last, so this one is asked before them.
    with client_of(app) as client:
        response = client.get("/broken", headers={"x-request-id": "abc", "origin": site})
    check_problem(response, 500, None, "server's log")
    assert "secret" not in response.text
    assert response.headers["x-request-id"] == "abc"  # leads from the answer to the cause
    assert response.headers["access-control-allow-origin"] == site
    (cause,) = [record for record in caplog.records if record.exc_info]
    assert cause.getMessage() == "GET /broken broke" and "secret cause" in str(cause.exc_info)


def test_a_body_over_the_limit_is_refused_by_its_announced_length(gallery: Path) -> None:
    with client_of(create_app(Settings(gallery, max_body_bytes=LIMIT))) as client:
        check_problem(client.post("/v1/search", json={"text": "x" * LIMIT}), 413, None, f"{LIMIT} bytes")
        assert client.post("/v1/search", json={"text": "red"}).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
def test_a_body_over_the_limit_is_refused_while_it_streams(gallery: Path, kind: str) -> None:
    """Without a length to believe, reading stops at the limit: an endless body is not waited for."""

    def endless() -> Iterator[bytes]:
        sent = 0
        yield b'--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n'
        while sent < 50 * LIMIT:
            sent += 100
            yield b"x" * 100

    app = create_app(Settings(gallery, max_body_bytes=LIMIT))
    with client_of(app) as client:
        for path in ("/v1/search", "/v1/items"):
            response = client.post(path, content=endless(), headers={"content-type": kind})
            check_problem(response, 413, None, f"{LIMIT} bytes")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[::2]", ""])
def test_a_name_that_is_not_this_machine_is_refused(shared: TestClient, host: str) -> None:
    check_problem(shared.get("/v1/info", headers={"host": host}), 421, None, "does not answer to the name")


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1:1", "[::1]:8000", "[::1]"])
def test_the_names_of_this_machine_are_answered(shared: TestClient, host: str) -> None:
    assert shared.get("/v1/info", headers={"host": host}).status_code == 200


def test_another_sites_page_may_not_post(shared: TestClient) -> None:
    body = {"json": {"text": "red"}}
    stranger = shared.post("/v1/search", headers={"origin": "https://evil.example"}, **body)
    check_problem(stranger, 403, None, "https://evil.example")
    assert shared.post("/v1/search", headers={"origin": BASE_URL}, **body).status_code == 200
    assert "access-control-allow-origin" not in shared.get("/v1/info", headers={"origin": BASE_URL}).headers


def test_a_second_writer_is_told_who_is_writing(client: TestClient, gallery: Path) -> None:
    files = {"files": picture_bytes("cyan")}
    with SearchEngine.open(gallery) as other, other.writing():
        check_problem(client.post("/v1/items", files=files), 409, "gallery-busy", "being written")
        assert client.post("/v1/search", json={"text": "red"}).status_code == 200
    assert client.post("/v1/items", files=files).status_code == 200


def test_without_the_model_the_process_lives_and_says_why_it_cannot_answer(tmp_path: Path) -> None:
    gallery = tmp_path / "gallery"
    SearchEngine.open(gallery, model=f"open_clip:ViT-B-32@{tmp_path}/missing.pt").close()
    with TestClient(create_app(Settings(gallery)), base_url=BASE_URL) as client:
        wait_until(lambda: "missing.pt" in client.get("/readyz").json()["detail"], seconds=60)
        check_problem(client.get("/readyz"), 503, None, "missing.pt")
        check_problem(client.post("/v1/search", json={"text": "red"}), 503, "model-unavailable", "missing.pt")
        assert client.get("/healthz").json() == {"status": "ok"}


def test_before_it_starts_the_app_is_not_ready(gallery: Path) -> None:
    client = TestClient(create_app(Settings(gallery)), base_url=BASE_URL)
    check_problem(client.get("/readyz"), 503, None, "not open")
    check_problem(client.get("/v1/info"), 503, None, "not open")
