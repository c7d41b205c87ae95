"""`POST /v1/search`: words, pictures and items, as JSON and as a form, over a real gallery."""

from __future__ import annotations

import base64
import io
import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from serving import picture_bytes, running
from starlette.testclient import TestClient

from api.documents import result_document
from api.http import Settings, create_app
from api.http.replies import SearchReply
from engine import Part, Query, SearchEngine


def search(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/search", json=fields)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    # The service does not check its own replies; here each has just the fields that the document promises.
    assert SearchReply.model_validate(reply).model_dump(mode="json", exclude_unset=True) == reply
    return reply


def first_name(reply: dict[str, Any]) -> str:
    return Path(reply["hits"][0]["uri"]).name


def numbers(document: Any) -> list[float]:
    if isinstance(document, dict):
        return [n for value in document.values() for n in numbers(value)]
    if isinstance(document, list):
        return [n for value in document for n in numbers(value)]
    return [document] if isinstance(document, float) else []


@pytest.mark.parametrize("color", ["red", "green", "blue", "yellow"])
def test_words_find_the_picture_they_name(client: TestClient, color: str) -> None:
    reply = search(client, text=color, k=3)
    assert first_name(reply) == f"{color}.png"
    assert [hit["rank"] for hit in reply["hits"]] == [1, 2, 3]
    assert reply["hits"] == sorted(reply["hits"], key=lambda hit: -hit["score"])
    assert reply["query"] == {
        "parts": [{"text": color, "weight": 1.0}],
        "kind": None,
        "phrases": [],
        "written": color,
    }


def test_the_reply_is_the_document_the_command_line_prints(gallery: Path) -> None:
    with SearchEngine.open(gallery) as engine:
        with TestClient(create_app(Settings(gallery), engine), base_url="http://127.0.0.1") as client:
            reply = search(client, text="red", explain=True)
        printed = json.loads(json.dumps(result_document("red", engine.search("red", explain=True))))
    assert reply.pop("timings").keys() == printed.pop("timings").keys()
    assert reply == printed


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_a_picture_in_json_finds_its_like(client: TestClient, prefix: str) -> None:
    data = picture_bytes("blue")
    reply = search(client, image=prefix + base64.b64encode(data).decode(), k=1)
    assert first_name(reply) == "blue.png"
    (part,) = reply["query"]["parts"]
    assert part["image"].startswith("sha256:") and len(part["image"]) == len("sha256:") + 64


def test_a_picture_in_a_form_finds_its_like_and_fields_are_read(client: TestClient) -> None:
    files = {"image": ("mine.png", picture_bytes("green"), "image/png")}
    response = client.post("/v1/search", files=files, data={"k": "2", "rerank": "false", "kind": "image"})
    assert response.status_code == 200, response.text
    reply = response.json()
    assert (first_name(reply), len(reply["hits"]), reply["reranked"]) == ("green.png", 2, False)
    assert reply["query"]["kind"] == "image"


def test_words_alone_travel_in_a_form_too(client: TestClient) -> None:
    response = client.post("/v1/search", files={"text": (None, "yellow")})
    assert response.status_code == 200, response.text
    assert first_name(response.json()) == "yellow.png"


def test_more_like_an_item_leaves_the_item_out(client: TestClient) -> None:
    red = search(client, text="red", k=1)["hits"][0]
    reply = search(client, like=red["id"])
    assert reply["hits"] and red["id"] not in [hit["id"] for hit in reply["hits"]]


def test_words_and_a_picture_together_move_the_answer(gallery: Path, client: TestClient) -> None:
    image = base64.b64encode(picture_bytes("red")).decode()
    both = search(client, text="blue", image=image, k=5)
    first_two = {Path(hit["uri"]).name for hit in both["hits"][:2]}
    assert first_two == {"blue.png", "red.png"}  # opposites: red alone puts blue last
    parts = (Part(text="blue"), Part(picture=picture_bytes("red")))
    with SearchEngine.open(gallery) as engine:
        expected = [hit.item.uri for hit in engine.search(Query(parts), k=5)]
    assert [hit["uri"] for hit in both["hits"]] == expected


def ids(reply: dict[str, Any]) -> list[int]:
    return [hit["id"] for hit in reply["hits"]]


def test_a_typed_query_and_its_parts_are_the_same_query(client: TestClient) -> None:
    red = search(client, text="red", k=1)["hits"][0]
    typed = search(client, query=f'"blue" + like:{red["id"]}[0,0,0.5,0.5]*0.5 - "green"*0.25')
    parts = [
        {"text": "blue"},
        {"like": red["uri"], "region": [0, 0, 0.5, 0.5], "weight": 0.5},
        {"text": "green", "weight": -0.25},
    ]
    given = search(client, parts=parts)
    assert ids(typed) == ids(given) != ids(search(client, text="blue"))
    assert typed["query"]["written"] == f'"blue" + like:{red["id"]}[0,0,0.5,0.5]*0.5 - "green"*0.25'
    assert typed["query"]["parts"][1] == {"like": red["id"], "weight": 0.5, "region": [0, 0, 0.5, 0.5]}


def test_what_is_typed_and_what_is_given_are_added_up(client: TestClient) -> None:
    image = base64.b64encode(picture_bytes("red")).decode()
    reply = search(
        client, query='the "red" -blue', parts=[{"image": image, "weight": 2}], phrases=["red card"]
    )
    assert [part["weight"] for part in reply["query"]["parts"]] == [1, -1, 2]
    assert (reply["query"]["phrases"], reply["query"]["written"]) == (["red", "red card"], None)


def test_text_is_never_read_as_a_sum(client: TestClient) -> None:
    assert len(search(client, text="red -blue")["query"]["parts"]) == 1
    assert len(search(client, query="red -blue")["query"]["parts"]) == 2


def test_a_box_of_a_sent_picture_is_what_is_looked_for(client: TestClient) -> None:
    flag = Image.new("RGB", (60, 20), "red")
    flag.paste("blue", (30, 0, 60, 20))
    out = io.BytesIO()
    flag.save(out, "PNG")
    image = base64.b64encode(out.getvalue()).decode()
    assert first_name(search(client, parts=[{"image": image, "region": [30, 0, 30, 20]}])) == "blue.png"
    assert first_name(search(client, parts=[{"image": image, "region": [0, 0, 0.5, 1]}])) == "red.png"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"query": '"red" + {path}'}, "names a picture file, and none is read over HTTP"),
        ({"query": 'image:"{path}"'}, "names a picture file, and none is read over HTTP"),
        ({"query": '"red'}, 'not closed:\n  "red\n  ^'),
        ({"parts": [{"text": "red", "like": 1}]}, "parts.0: Value error, a part is one of"),
        ({"parts": [{"like": 1, "region": [0, 0, 1]}]}, "parts.0.region"),
        ({"parts": [{"like": 1, "region": [0, 0, 5000, 1]}]}, "reaches outside the picture; the picture is"),
        ({"parts": [{"text": "red", "wieght": 2}]}, "parts.0.wieght"),
        ({"parts": []}, "give at least one of query, text, image, image_url, like and parts"),
    ],
)
def test_a_query_that_is_none_is_refused(
    client: TestClient, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    path = tmp_path / "pictures" / "red.png"
    assert path.is_file()
    if "query" in fields:
        fields = {"query": fields["query"].replace("{path}", str(path))}
    response = client.post("/v1/search", json=fields)
    assert response.status_code == 422
    assert said in response.json()["detail"]


def test_an_item_is_named_by_uri_in_a_form_too(client: TestClient) -> None:
    red = search(client, text="red", k=1)["hits"][0]
    by_id = client.post("/v1/search", files={"like": (None, str(red["id"]))}).json()
    by_uri = client.post("/v1/search", files={"like": (None, red["uri"])}).json()
    assert ids(by_id) == ids(by_uri) == ids(search(client, like=red["uri"]))
    assert red["id"] not in ids(by_id)


def test_kind_asks_for_texts_only(client: TestClient) -> None:
    reply = search(client, text="purple curtains", kind="text")
    assert [hit["kind"] for hit in reply["hits"]] == ["text", "text"]
    assert reply["hits"][0]["text"] == "purple curtains"
    assert reply["hits"][0]["metadata"] == {"year": 2026}


def test_a_filter_allows_only_the_items_it_fits(client: TestClient) -> None:
    reply = search(client, text="red", filter="width >= 120 and not height = 90")
    assert {Path(hit["uri"]).name for hit in reply["hits"]} == {"red.png", "green.png", "yellow.png"}
    assert (reply["plan"]["allowed"], reply["plan"]["held"]) == (3, 5)
    response = client.post("/v1/search", files={"text": (None, "red")}, data={"filter": "width ="})
    assert response.status_code == 422
    assert response.json()["type"] == "urn:crosslight:problem:bad-input"
    assert "^" in response.json()["detail"]


def test_k_over_the_gallery_gives_what_there_is(client: TestClient) -> None:
    assert len(search(client, text="red", k=10_000, kind="image")["hits"]) == 5


def test_contributions_add_up_and_every_number_is_finite_and_short(client: TestClient) -> None:
    reply = search(client, text="red", explain=True)
    for hit in reply["hits"]:
        parts = hit["explanation"]["contributions"].values()
        assert sum(parts) == pytest.approx(hit["score"], abs=1e-5)
        assert hit["explanation"]["recall_rank"] >= 1
    assert all(math.isfinite(n) and n == round(n, 6) for n in numbers(reply))
    assert all("explanation" not in hit for hit in search(client, text="red")["hits"])


def test_the_event_loop_stays_free_while_a_search_runs(gallery: Path) -> None:
    """A 49-megapixel query keeps a core busy for long enough to ask after the process's health."""
    big = picture_bytes("red", (7000, 7000))
    replies: list[httpx.Response] = []
    with running(create_app(Settings(gallery))) as address, httpx.Client(base_url=address) as client:

        def ask() -> None:
            replies.append(httpx.post(f"{address}v1/search", files={"image": big}, timeout=60))

        asking = threading.Thread(target=ask)
        asking.start()
        answered = 0
        while asking.is_alive():
            assert client.get("/healthz").status_code == 200
            answered += bool(not replies)
            time.sleep(0.01)
        asking.join()
    assert replies[0].status_code == 200
    assert answered >= 5
