"""The OpenAPI document: what is served is what is committed, and it hangs together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from api.http import Settings, create_app, openapi
from api.http.__main__ import main as rewrite
from api.http.asking import SearchRequest
from api.http.problems import ENGINE_PROBLEMS
from api.http.replies import SearchReply
from api.http.schemas import ItemsRequest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "docs" / "openapi.json"
REWRITE = "python -m api.http docs/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(create_app(Settings(Path("nowhere"))))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_served_document_is_the_committed_one(client: TestClient) -> None:
    served = client.get("/openapi.json").json()
    committed = json.loads(COMMITTED.read_text("utf-8"))
    assert served == committed, f"the routes have changed; rewrite it with: {REWRITE}"


def test_the_rewriting_command_writes_it_byte_for_byte(tmp_path: Path) -> None:
    rewrite(str(tmp_path / "openapi.json"))
    assert (tmp_path / "openapi.json").read_bytes() == COMMITTED.read_bytes()
    assert REWRITE in (ROOT / "docs" / "http.md").read_text("utf-8")


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert "#/components/schemas/SearchRequest" in found
    for reference in found:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def is_door(operation: dict[str, Any]) -> bool:
    return operation["tags"] == ["doors"]


def test_every_error_is_described_as_a_problem(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], f"{method} {path}"
            for status, reply in operation["responses"].items():
                if int(status) >= 400:  # at a door, errors are as the clients of the other service read them
                    media_type = "application/json" if is_door(operation) else "application/problem+json"
                    assert list(reply["content"]) == [media_type], f"{method} {path} {status}"


def test_the_examples_are_valid(document: dict[str, Any]) -> None:
    for model in (SearchRequest, ItemsRequest, SearchReply):
        examples = document["components"]["schemas"][model.__name__]["examples"]
        assert examples
        for example in examples:
            TypeAdapter(model).validate_python(example)


def test_every_route_is_in_the_docs(document: dict[str, Any]) -> None:
    text = (ROOT / "docs" / "http.md").read_text("utf-8")
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in text
    for name in re.findall(r"urn:crosslight:problem:([a-z-]+)", text):
        assert name in {row[2] for row in ENGINE_PROBLEMS} | {"invalid-request"}
    for row in ENGINE_PROBLEMS:
        assert row[2] in text
