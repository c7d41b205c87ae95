"""`/v1/rerank`, `/v2/rerank` and `/rerank`: Cohere's own client, and what Jina's and infinity's send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cohere
import httpx
import pytest
from cohere.errors import BadRequestError, NotFoundError
from written import data_uri

QUERY = "a temple by the water with trees"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """What Cohere's clients send with: they do not close one of their own."""
    with httpx.Client() as http:
        yield http


@pytest.fixture(scope="module")
def client(address: str, http: httpx.Client) -> cohere.ClientV2:
    return cohere.ClientV2("none", base_url=address, httpx_client=http)


@pytest.fixture(scope="module")
def old_client(address: str, http: httpx.Client) -> cohere.Client:
    return cohere.Client("none", base_url=address, httpx_client=http)


@pytest.fixture(scope="module")
def mini_client(mini_address: str, http: httpx.Client) -> cohere.ClientV2:
    return cohere.ClientV2("none", base_url=mini_address, httpx_client=http)


@pytest.mark.mini
def test_the_model_reranks_pictures_that_are_not_in_the_gallery(
    mini_client: cohere.ClientV2, photographs: list[Path]
) -> None:
    pictures = [data_uri(path.read_bytes(), "image/jpeg") for path in reversed(photographs)]
    (arches, wall, pagoda) = range(3)
    ranked = mini_client.rerank(model="mini", query=QUERY, documents=pictures).results
    assert [one.index for one in ranked] == [pagoda, arches, wall]
    first, second, _ = (one.relevance_score for one in ranked)
    assert 1 >= first > second > 0


@pytest.mark.mini
def test_a_picture_is_judged_alike_sent_and_by_its_item(
    mini_client: cohere.ClientV2, photographs: list[Path]
) -> None:
    sent = [data_uri(path.read_bytes(), "image/jpeg") for path in photographs]
    by_bytes, by_item = (
        {
            one.index: one.relevance_score
            for one in mini_client.rerank(model="mini", query=QUERY, documents=d).results
        }
        for d in (sent, ["like:1", "like:2", "like:3"])
    )
    assert by_bytes == pytest.approx(by_item, rel=0.02)


@pytest.mark.mini
def test_a_picture_asks_for_texts(mini_client: cohere.ClientV2, photographs: list[Path]) -> None:
    picture = data_uri(photographs[0].read_bytes(), "image/jpeg")
    texts = ["a close view of a brick wall", "a pagoda beside a lake with trees", "a dog runs over grass"]
    assert mini_client.rerank(model="mini", query=picture, documents=texts, top_n=1).results[0].index == 1


def test_a_mixed_list_has_one_scale(client: cohere.ClientV2, red: str, blue: str) -> None:
    ranked = client.rerank(model="color", query="red", documents=[blue, "red", "green", red]).results
    assert {one.index for one in ranked[:2]} == {1, 3}
    assert all(0 <= one.relevance_score <= 1 for one in ranked)


def test_the_older_client_sends_objects_and_gets_them_back(old_client: cohere.Client, red: str) -> None:
    documents = [{"text": "blue"}, {"image": red}, {"like": "1"}, "red"]
    ranked = old_client.rerank(
        model="color", query="red", documents=documents, return_documents=True, top_n=4
    )
    by_place = {one.index: one.document for one in ranked.results}
    assert by_place[0] is not None and by_place[0].text == "blue"
    assert by_place[3] is not None and by_place[3].text == "red"


def test_cohere_tells_what_is_wrong(client: cohere.ClientV2, old_client: cohere.Client) -> None:
    with pytest.raises(NotFoundError, match="this gallery has color"):
        client.rerank(model="rerank-v3.5", query="red", documents=["red"])
    with pytest.raises(BadRequestError, match="at most 1000"):
        client.rerank(model="color", query="red", documents=["red"] * 1001)
    with pytest.raises(BadRequestError, match="not a picture"):
        client.rerank(model="color", query="red", documents=["data:image/png;base64,aGVsbG8="])
    with pytest.raises(BadRequestError, match="title: Extra inputs are not permitted"):
        old_client.rerank(model="color", query="red", documents=[{"title": "red"}])


def test_what_infinity_clients_send_is_answered_as_infinity_does(address: str) -> None:
    body = {"model": "color", "query": "red", "documents": ["blue", "red"], "return_documents": True}
    answer = httpx.post(f"{address}/rerank", json={**body, "raw_scores": False}).json()
    assert answer["object"] == "rerank"
    assert answer["results"][0]["index"] == 1
    assert answer["results"][0]["document"] == "red"
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_what_jina_clients_send_is_answered(address: str, red: str, blue: str) -> None:
    body = {"model": "color", "query": {"text": "red"}, "documents": [{"image": blue}, {"image": red}]}
    for path in ("/rerank", "/v1/rerank"):
        answer = httpx.post(f"{address}{path}", json={**body, "top_n": 1}).json()
        assert [one["index"] for one in answer["results"]] == [1]
        assert answer["model"] == "color"


def test_errors_of_the_plain_door_are_details(address: str) -> None:
    answer = httpx.post(f"{address}/rerank", json={"query": "red", "documents": []})
    assert answer.status_code == 422
    assert list(answer.json()) == ["detail"]
