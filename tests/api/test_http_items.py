"""`/v1/items`: adding, looking at, fetching pictures of and removing items."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from serving import picture_bytes
from starlette.testclient import TestClient

from engine import Item, LabeledRegion, Region, SearchEngine


def post_items(client: TestClient, *items: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/v1/items", json={"items": list(items)})
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


def image_item(uri: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"uri": uri, "kind": "image", "image": base64.b64encode(data).decode(), **more}


def id_of(client: TestClient, color: str) -> int:
    hit = client.post("/v1/search", json={"text": color, "k": 1}).json()["hits"][0]
    assert hit["uri"].endswith(f"{color}.png")
    return int(hit["id"])


def test_uploaded_pictures_are_kept_found_and_served(client: TestClient) -> None:
    data = picture_bytes("cyan", (50, 20))
    files = [("files", ("sea.png", data, "image/png")), ("files", ("bad.png", b"not a picture", "image/png"))]
    response = client.post("/v1/items", files=files, data={"metadata": '{"album": "summer"}'})
    assert response.status_code == 200, response.text
    reply = response.json()
    counts = {name: reply[name] for name in ("added", "updated", "unchanged", "failed")}
    assert counts == {"added": 1, "updated": 0, "unchanged": 0, "failed": 1}
    good, bad = reply["items"]
    assert (good["status"], good["reason"], good["name"]) == ("added", None, "sea.png")
    assert good["uri"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (bad["status"], bad["id"], bad["name"]) == ("failed", None, "bad.png") and bad["reason"]
    item = client.get(f"/v1/items/{good['id']}").json()
    assert item["metadata"] == {
        "album": "summer",
        "name": "sea.png",
        "width": 50,
        "height": 20,
        "format": "PNG",
    }
    assert client.get(f"/v1/items/{good['id']}/image").content == data
    assert client.post("/v1/search", json={"text": "cyan", "k": 1}).json()["hits"][0]["id"] == good["id"]


def test_regions_of_an_item(client: TestClient, engine: SearchEngine) -> None:
    regions = (LabeledRegion(Region(0.25, 0.5, 0.25, 0.5), "dog"),)
    engine.add([Item("shot:9", picture=picture_bytes("pink"), regions=regions)])
    item = engine.find("shot:9").id

    assert client.get(f"/v1/items/{item}/regions").json() == {
        "regions": [{"region": [0.25, 0.5, 0.25, 0.5], "label": "dog", "score": 1.0}]
    }
    asked = {"parts": [{"like": item, "region": [0.25, 0.5, 0.25, 0.5]}], "k": 1}
    assert client.post("/v1/search", json=asked).status_code == 200
    assert client.get(f"/v1/items/{id_of(client, 'red')}/regions").json() == {"regions": []}
    assert client.get("/v1/items/99999/regions").status_code == 404


def test_each_item_of_a_request_has_its_own_outcome(client: TestClient) -> None:
    kept = {"uri": "note:kept", "kind": "text", "text": "as it was"}
    picture = image_item("shot:1", picture_bytes("pink"), text="a pink square", metadata={"year": 2020})
    first = post_items(client, kept, picture)
    assert [item["status"] for item in first["items"]] == ["added", "added"]
    changed = {**picture, "text": "a rose square"}
    new = {"uri": "note:new", "kind": "text", "text": "new"}
    broken = image_item("shot:2", b"GIF89a")
    again = post_items(client, kept, changed, new, broken, new)
    statuses = [item["status"] for item in again["items"]]
    assert statuses == ["unchanged", "updated", "added", "failed", "unchanged"]
    assert [again[name] for name in ("added", "updated", "unchanged", "failed")] == [1, 1, 2, 1]
    assert again["items"][0]["id"] == first["items"][0]["id"]
    item = client.get(f"/v1/items/{first['items'][1]['id']}").json()
    assert (item["text"], item["metadata"]["year"]) == ("a rose square", 2020)


def test_a_bad_picture_leaves_the_item_it_would_have_replaced(client: TestClient) -> None:
    (added,) = post_items(client, image_item("shot:1", picture_bytes("pink")))["items"]
    (failed,) = post_items(client, image_item("shot:1", b"broken"))["items"]
    assert (failed["status"], failed["id"]) == ("failed", added["id"])
    assert client.get(f"/v1/items/{added['id']}/image").content == picture_bytes("pink")


def test_a_removed_item_is_gone_and_its_file_is_not(client: TestClient, tmp_path: Path) -> None:
    red = id_of(client, "red")
    assert client.delete(f"/v1/items/{red}").status_code == 204
    for path in (f"/v1/items/{red}", f"/v1/items/{red}/image", f"/v1/items/{red}/thumbnail"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/v1/items/{red}").status_code == 404
    hits = client.post("/v1/search", json={"text": "red"}).json()["hits"]
    assert red not in [hit["id"] for hit in hits]
    assert (tmp_path / "pictures" / "red.png").is_file()


def test_the_picture_is_the_file_with_its_digest_as_etag(client: TestClient, tmp_path: Path) -> None:
    data = (tmp_path / "pictures" / "blue.png").read_bytes()
    path = f"/v1/items/{id_of(client, 'blue')}/image"
    response = client.get(path)
    assert response.content == data
    assert response.headers["content-type"] == "image/png"
    assert response.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    for tag in (response.headers["etag"], f'"other", W/{response.headers["etag"]}', "*"):
        again = client.get(path, headers={"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    head = client.head(path)
    assert head.status_code == 200 and head.headers["etag"] == response.headers["etag"]


def test_a_file_that_turned_into_a_page_is_still_served_as_a_picture(
    client: TestClient, tmp_path: Path
) -> None:
    """The type is what was indexed, and the browser is told not to guess another from the bytes."""
    (tmp_path / "pictures" / "blue.png").write_text("<script>alert(1)</script>")
    response = client.get(f"/v1/items/{id_of(client, 'blue')}/image")
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_format_no_browser_draws_is_a_download(client: TestClient) -> None:
    (added,) = post_items(client, image_item("shot:1", picture_bytes("pink", format="PPM")))["items"]
    response = client.get(f"/v1/items/{added['id']}/image")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(("asked", "longest"), [(None, 300), (160, 160), (100, 160), (1024, 300)])
def test_a_thumbnail_is_small_webp_in_the_picture_proportions(
    client: TestClient, asked: int | None, longest: int
) -> None:
    path = f"/v1/items/{id_of(client, 'yellow')}/thumbnail"
    response = client.get(path, params=None if asked is None else {"size": asked})
    assert response.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert picture.format == "WEBP"
        assert picture.size == (longest, round(longest * 2 / 3))
    assert client.get(path, headers={"if-none-match": response.headers["etag"]}).status_code in (200, 304)


def test_the_picture_of_a_text_is_not_found(client: TestClient) -> None:
    hits = client.post("/v1/search", json={"text": "purple", "kind": "text"}).json()["hits"]
    for name in ("image", "thumbnail"):
        response = client.get(f"/v1/items/{hits[0]['id']}/{name}")
        assert response.status_code == 404
        assert "has no picture" in response.json()["detail"]


def test_metadata_of_a_form_must_be_an_object_of_plain_values(client: TestClient) -> None:
    files = [("files", ("sea.png", picture_bytes("cyan"), "image/png"))]
    for metadata in ("[1]", '{"a": {"b": 1}}', "{", '{"a": NaN}'):
        response = client.post("/v1/items", files=files, data={"metadata": metadata})
        assert response.status_code == 422, metadata
        assert response.json()["errors"][0]["field"].startswith("metadata"), metadata


def test_info_counts_what_was_added(client: TestClient) -> None:
    before = client.get("/v1/info").json()
    assert (before["model"], before["items"], before["pictures"], before["texts"]) == ("color", 7, 5, 2)
    post_items(client, {"uri": "note:3", "kind": "text", "text": json.dumps({"a": 1})})
    after = client.get("/v1/info").json()
    assert (after["items"], after["texts"]) == (8, 3)
