"""`/knn-service`: called by clip-retrieval's own client where it is installed, and as it calls."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from serving import picture_bytes


def client_class() -> Any:
    """Load the client's own module alone: the package around it brings a whole service and its pins."""
    package = importlib.util.find_spec("clip_retrieval")
    if package is None or package.origin is None:
        pytest.skip("clip-retrieval is not installed; pip install --no-deps clip-retrieval requests")
    path = Path(package.origin).parent / "clip_client.py"
    spec = importlib.util.spec_from_file_location("clip_client", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_client_finds_pictures_by_words_and_by_a_picture(address: str, tmp_path: Path) -> None:
    client = client_class().ClipClient(f"{address}/knn-service", "gallery", num_images=3)
    (tmp_path / "mine.png").write_bytes(picture_bytes("blue"))
    by_words, by_picture = client.query(text="red"), client.query(image=str(tmp_path / "mine.png"))
    assert len(by_words) == len(by_picture) == 3
    assert by_words[0]["similarity"] > by_words[1]["similarity"]
    for result, size in ((by_words[0], (200, 30)), (by_picture[0], (80, 160))):
        assert Image.open(io.BytesIO(httpx.get(result["url"]).content)).size == size
        assert Image.open(io.BytesIO(base64.b64decode(result["image"]))).format == "WEBP"


def test_its_client_finds_texts(address: str) -> None:
    module = client_class()
    client = module.ClipClient(f"{address}/knn-service", "gallery", modality=module.Modality.TEXT)
    assert client.query(text="purple curtains")[0]["caption"] == "purple curtains"


def ask(address: str, path: str, **body: object) -> Any:
    """Post as the client does: JSON, and not a word of it in the head."""
    return httpx.post(f"{address}/{path}", content=json.dumps(body).encode())


def test_more_ids_than_pictures_may_be_asked_for(address: str) -> None:
    results = ask(address, "knn-service", text="red", num_images=1, num_result_ids=3).json()
    assert ["url" in result for result in results] == [True, False, False]
    told = ask(address, "metadata", ids=[result["id"] for result in results], indice_name="gallery").json()
    assert [one["id"] for one in told] == [result["id"] for result in results]
    assert told[0]["metadata"]["width"] == 200


def test_there_is_one_index(address: str) -> None:
    assert httpx.get(f"{address}/indices-list").json() == ["gallery"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"image_url": "https://example.org/a.jpg"}, "not fetched"),
        ({"embedding_input": [0.5]}, "embedding_input is not taken"),
        ({"text": "red", "use_mclip": True}, "use_mclip is not possible"),
        ({"image": "%%%"}, "base64"),
        ({"image": "aGVsbG8="}, "not a picture"),
        ({"text": "red", "num_images": 100_000}, "less than or equal to"),
        ({"text": "red", "indice_name": "laion5B"}, "there is gallery"),
        ({}, "give one of text and image"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_reason(
    address: str, body: dict[str, Any], reason: str
) -> None:
    answer = ask(address, "knn-service", **body)
    assert answer.status_code == 400
    assert reason in answer.json()["message"]


def test_a_body_that_is_not_json_is_refused(address: str) -> None:
    assert httpx.post(f"{address}/knn-service", content=b"{").status_code == 400
