"""API keys: who may use which route, and that none is left open by mistake."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from serving import BASE_URL, client_of, picture_bytes
from starlette.testclient import TestClient

from api.http import Settings, create_app
from api.http.keys import Keys
from api.http.server import check_open
from engine import BadInput

PUBLIC = {"/healthz", "/readyz", "/v1/health", "/v1/sign-in", "/"}


def auth(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_every_route_declares_its_scope(gallery: Path) -> None:
    document = create_app(Settings(gallery)).openapi()
    described = {
        path: operation for path, operations in document["paths"].items() for operation in operations.values()
    }
    assert len(described) > 5
    for path, operation in described.items():
        assert bool(operation.get("security")) == (path not in PUBLIC), path


def test_without_keys_everyone_here_may_do_all(client: TestClient) -> None:
    assert client.post("/v1/items", files={"files": picture_bytes("pink")}).status_code == 200


def test_a_key_may_do_what_its_scopes_say(gallery: Path) -> None:
    keys = Keys(Settings(gallery).keys_file)
    _, reader = keys.create("reader", ["read"])
    _, writer = keys.create("writer", ["write"])
    files = {"files": picture_bytes("pink")}
    search = {"json": {"text": "red"}}
    with client_of(create_app(Settings(gallery))) as client:
        nobody = client.post("/v1/search", **search)
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
        assert client.post("/v1/search", headers=auth("cl_1_2"), **search).status_code == 401
        assert client.post("/v1/search", headers=auth(reader), **search).status_code == 200
        assert client.post("/v1/search", headers={"x-api-key": reader}, **search).status_code == 200
        refused = client.post("/v1/items", headers=auth(reader), files=files)
        assert refused.status_code == 403 and "needs write" in refused.json()["detail"]
        assert client.post("/v1/items", headers=auth(writer), files=files).status_code == 200
        assert client.get("/v1/info", headers=auth(writer)).status_code == 200
        assert client.get("/v1/galleries/gallery/info").status_code == 401
        assert client.head("/v1/items/1/thumbnail").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_the_page_signs_in_by_a_cookie_that_no_other_page_can_use(gallery: Path) -> None:
    keys = Keys(Settings(gallery).keys_file)
    _, text = keys.create("writer", ["write"])
    home = {"origin": BASE_URL, "sec-fetch-site": "same-origin"}
    site = "http://elsewhere.example"
    with client_of(create_app(Settings(gallery, cors_origins=(site,)))) as client:
        assert client.post("/v1/sign-in", json={"key": text}).status_code == 403
        assert client.post("/v1/sign-in", json={"key": text}, headers={"origin": site}).status_code == 403
        assert client.post("/v1/sign-in", json={"key": "cl_1_2"}, headers=home).status_code == 401
        nobody = {"needed": True, "name": None, "scopes": []}
        assert client.get("/v1/sign-in").json() == nobody and not client.cookies
        signed = client.post("/v1/sign-in", json={"key": text}, headers=home)
        assert signed.json() == {"needed": True, "name": "writer", "scopes": ["write"]}
        marks = {part.strip().lower() for part in signed.headers["set-cookie"].split(";")}
        assert {"httponly", "samesite=strict", "path=/"} <= marks and "secure" not in marks

        search = {"json": {"text": "red"}}
        assert client.post("/v1/search", headers=home, **search).status_code == 200
        assert client.post("/v1/search", headers={"origin": BASE_URL}, **search).status_code == 200
        assert client.delete("/v1/items/1", headers=home).status_code == 204
        assert client.get("/v1/items/2/thumbnail", headers={"sec-fetch-site": "none"}).status_code == 200
        for foreign in (
            {"origin": site},  # allowed to ask, with a key of its own
            {"origin": site, "sec-fetch-site": "same-origin"},
            {"origin": BASE_URL, "sec-fetch-site": "same-site"},
            {"sec-fetch-site": "cross-site"},
            {},
        ):
            assert client.post("/v1/search", headers=foreign, **search).status_code == 401, foreign
        assert client.get("/v1/items/2/thumbnail", headers={"sec-fetch-site": "same-site"}).status_code == 401

        assert client.delete("/v1/sign-in", headers=home).status_code == 204
        assert client.post("/v1/search", headers=home, **search).status_code == 401
        client.post("/v1/sign-in", json={"key": text}, headers=home)
        keys.revoke("writer")
        assert client.get("/v1/sign-in", headers=home).json() == nobody


def test_over_https_the_cookie_stays_there(gallery: Path) -> None:
    _, text = Keys(Settings(gallery).keys_file).create("reader", ["read"])
    with TestClient(create_app(Settings(gallery)), base_url="https://localhost") as client:
        home = {"origin": "https://localhost"}
        signed = client.post("/v1/sign-in", json={"key": text}, headers=home)
        assert "; Secure" in signed.headers["set-cookie"]


def test_a_revoked_key_is_refused_by_a_running_service(gallery: Path) -> None:
    keys = Keys(Settings(gallery).keys_file)
    with client_of(create_app(Settings(gallery))) as client:
        assert client.get("/v1/info").status_code == 200
        _, text = keys.create("app", ["admin"])
        assert client.get("/v1/info").status_code == 401
        assert client.get("/v1/info", headers=auth(text)).status_code == 200
        keys.revoke("app")
        assert client.get("/v1/info", headers=auth(text)).status_code == 401
        keys.path.unlink()
        assert client.get("/v1/info").status_code == 401, "a lost file of keys must not open the service"


def test_only_a_hash_of_a_key_is_kept_and_only_for_its_owner(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "some" / "keys.json")
    key, text = keys.create("app", ["write", "read"])
    kept = keys.path.read_text("utf-8")
    assert text not in kept and text.split("_", 2)[2] not in kept
    assert json.loads(kept)["keys"][0]["scopes"] == ["read", "write"] == list(key.scopes)
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert Keys(keys.path).check(text) == key


def test_a_key_that_cannot_be_made_or_named_is_told(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    with pytest.raises(BadInput, match="no scope 'all'"):
        keys.create("app", ["all"])
    with pytest.raises(BadInput, match="names 0 valid keys"):
        keys.revoke("nobody")
    keys.path.write_text("[]")
    with pytest.raises(BadInput, match="is no file of API keys"):
        keys.listed()


def test_other_addresses_than_loopback_need_keys_or_a_word(gallery: Path) -> None:
    with pytest.raises(BadInput, match="crosslight keys create"):
        check_open(Settings(gallery, host="0.0.0.0"))
    check_open(Settings(gallery, host="0.0.0.0", allow_open=True))
    Keys(Settings(gallery).keys_file).create("app", ["read"])
    check_open(Settings(gallery, host="0.0.0.0"))
