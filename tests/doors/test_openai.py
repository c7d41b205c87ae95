"""`/v1/embeddings`, called by OpenAI's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
from serving import running

from api.http import Settings, create_app
from api.http.keys import Keys
from engine import Part, SearchEngine
from engine.judging import encode

MISSPELLED = {"model": "color", "input": "red", "inputs": []}


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_texts_and_pictures_meet_in_one_space(client: openai.OpenAI, red: str, blue: str) -> None:
    made = client.embeddings.create(model="color", input=["red", red, blue])
    words, same, other = (np.array(one.embedding) for one in made.data)
    assert words @ same > 0.99 > words @ other
    assert [one.index for one in made.data] == [0, 1, 2]
    assert made.model == "color"
    assert made.usage.prompt_tokens == made.usage.total_tokens == 1


def test_the_vectors_are_those_the_gallery_is_searched_with(client: openai.OpenAI, colors: Path) -> None:
    (made,) = client.embeddings.create(model="crosslight", input="like:1").data
    with SearchEngine.open(colors, read_only=True) as engine:
        expected = encode([Part(item=1)], engine.serving())[0]
    assert np.array_equal(np.array(made.embedding, np.float32), expected)


def test_both_formats_carry_the_same_numbers(client: openai.OpenAI) -> None:
    (as_numbers,) = client.embeddings.create(model="color", input="blue", encoding_format="float").data
    (as_text,) = client.embeddings.create(model="color", input="blue", encoding_format="base64").data
    assert isinstance(as_text.embedding, str)
    assert as_numbers.embedding == client.embeddings.create(model="color", input="blue").data[0].embedding


def test_only_the_length_there_is_may_be_asked_for(client: openai.OpenAI) -> None:
    client.embeddings.create(model="color", input="red", dimensions=32)
    with pytest.raises(openai.BadRequestError, match="have 32 and cannot be cut"):
        client.embeddings.create(model="color", input="red", dimensions=8)


def test_another_model_is_refused_by_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="this gallery has color") as refused:
        client.embeddings.create(model="text-embedding-3-small", input="red")
    assert refused.value.code == "model_not_found"
    assert [model.id for model in client.models.list()] == ["color"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["red"] * 2049, "at most 2048"),
        ("", "at least 1 character"),
        ([], "at least 1 item"),
        ("data:image/png;base64,%%%", "base64"),
        ("data:image/png;base64,aGVsbG8=", "not a picture"),
        ("word " * 65, "has 65 tokens, color reads 64"),
        ([[1, 2, 3]], "valid string"),
        ("like:999", "no item 999"),
    ],
)
def test_what_cannot_be_encoded_is_refused_with_a_reason(
    client: openai.OpenAI, given: list[str] | str, reason: str
) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError), match=reason) as refused:
        client.embeddings.create(model="color", input=given)
    assert refused.value.type == "invalid_request_error"


def test_a_key_is_sent_as_the_client_sends_it(colors: Path, tmp_path: Path) -> None:
    _, key = Keys(tmp_path / "keys.json").create("app", ["read"])
    with running(create_app(Settings(colors, keys=tmp_path / "keys.json"))) as url:
        with openai.OpenAI(base_url=f"{url}v1", api_key=key, max_retries=0) as client:
            assert client.embeddings.create(model="color", input="red").model == "color"
        with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError, match="unknown or revoked") as refused:
                client.embeddings.create(model="color", input="red")
    assert refused.value.type == "invalid_request_error"


def test_a_misspelled_field_is_named(address: str) -> None:
    answer = httpx.post(f"{address}/v1/embeddings", json=MISSPELLED)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "inputs"
