"""Several galleries in one server: the same routes, each with its own engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import client_of, fill
from starlette.testclient import TestClient

from api.http import Settings, create_app
from engine import BadInput, Item, SearchEngine


@pytest.fixture
def two(gallery: Path, tmp_path: Path) -> Iterator[TestClient]:
    """The usual gallery, and one of a single text."""
    second = tmp_path / "second.gallery"
    with SearchEngine.open(second, model="color") as engine:
        engine.add([Item("note:only", "text", text="red")])
    with client_of(create_app(Settings(gallery, more_galleries=(second,)))) as client:
        yield client


def test_the_galleries_are_listed_the_first_one_first(two: TestClient) -> None:
    listed = two.get("/v1/galleries").json()["galleries"]
    assert [(one["name"], one["items"], one["default"]) for one in listed] == [
        ("gallery", 7, True),
        ("second", 1, False),
    ]


def test_each_gallery_has_the_same_routes(two: TestClient) -> None:
    first, named, second = (
        two.post(f"/v1/{path}search", json={"text": "red", "k": 1}).json()["hits"]
        for path in ("", "galleries/gallery/", "galleries/second/")
    )
    assert first == named and first[0]["uri"].endswith("red.png")
    assert second[0]["uri"] == "note:only"
    item = {"uri": "note:new", "kind": "text", "text": "new"}
    assert two.post("/v1/galleries/second/items", json={"items": [item]}).json()["added"] == 1
    counts = [two.get(f"/v1/{path}info").json()["items"] for path in ("", "galleries/second/")]
    assert counts == [7, 2]


def test_an_unknown_gallery_is_not_found(two: TestClient) -> None:
    response = two.get("/v1/galleries/third/info")
    assert response.status_code == 404
    assert "there is gallery, second" in response.json()["detail"]


def test_two_galleries_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name / "photos.gallery", tmp_path / "pictures")
    with pytest.raises(BadInput, match="would both be called 'photos'"):
        Settings(tmp_path / "a/photos.gallery", more_galleries=(tmp_path / "b/photos.gallery",)).galleries()
