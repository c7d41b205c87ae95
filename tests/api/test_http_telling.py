"""`/v1/caption` and `/v1/ask`: a picture that is sent, or an item's."""

from __future__ import annotations

from typing import Any

import pytest
from serving import picture_bytes
from starlette.testclient import TestClient

pytestmark = pytest.mark.mini


def red(client: TestClient) -> int:
    hits = client.post("/v1/search", json={"text": "red", "k": 1}).json()["hits"]
    return int(hits[0]["id"])


def test_an_item_and_its_picture_are_told_the_same(client: TestClient) -> None:
    item = red(client)
    by_item = client.post("/v1/caption", json={"like": item, "count": 2, "nearest": 2}).json()
    file = client.get(f"/v1/items/{item}/image").content
    by_file = client.post("/v1/caption", files={"image": file}, data={"count": "2"}).json()
    assert by_item["captions"] == by_file["captions"] and len(by_item["captions"]) == 2
    assert by_item["model"] == "mini" and by_item["nearest"] == []  # no picture here has a caption by people


def test_an_answer_has_all_it_says(client: TestClient) -> None:
    sent = {"image": picture_bytes("red")}
    reply = client.post("/v1/ask", files=sent, data={"question": "What color is the wall?"})
    answer = reply.json()
    assert (answer["kind"], answer["model"], len(answer["heat_map"])) == ("color", "mini", 9)
    assert sum(map(sum, answer["heat_map"])) == pytest.approx(1, abs=1e-3)
    assert 0 < answer["alternatives"][0]["probability"] <= answer["probability"] <= 1


@pytest.mark.parametrize(
    ("route", "body", "status", "said"),
    [
        ("ask", {"like": 1, "question": ""}, 422, "no question in it"),
        ("ask", {"like": 1, "question": "a dog"}, 422, "is not a question"),
        ("ask", {"like": 1, "question": "is it red " * 10_000}, 422, "the limit is 24"),
        ("ask", {"like": 999, "question": "is it red?"}, 404, "999"),
        ("ask", {"question": "is it red?"}, 422, "one of image and like"),
        ("caption", {"like": 999}, 404, "999"),
        ("caption", {"image": "bm8="}, 422, "picture"),
        ("caption", {"like": 1, "count": 0}, 422, "count"),
    ],
)
def test_what_cannot_be_told_is_a_problem(
    client: TestClient, route: str, body: dict[str, Any], status: int, said: str
) -> None:
    reply = client.post(f"/v1/{route}", json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert said in reply.text
