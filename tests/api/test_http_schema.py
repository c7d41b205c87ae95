"""The service asked with what its own OpenAPI document says it takes: no 5xx, no answer it does not tell of.

`CROSSLIGHT_SCHEMA_EXAMPLES=200` asks for longer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from serving import fill, running

from api.http import Settings, create_app

EXAMPLES = int(os.environ.get("CROSSLIGHT_SCHEMA_EXAMPLES", "5"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# A job is long work, a followed one ends with it, and no language model is here to caption or answer.
LEFT_OUT = r"/events$|^/v1/jobs$"


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator]
def lines(context: Any, value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("schema")
    fill(root / "gallery", root / "pictures")
    with running(create_app(Settings(root / "gallery"))) as address:
        yield address


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(create_app(Settings(Path("nowhere"))).openapi())
    return [result.ok() for result in schema.exclude(path_regex=LEFT_OUT).get_all_operations()]


@pytest.mark.parametrize("operation", operations(), ids=lambda one: one.label)
def test_it_answers_as_its_document_says(address: str, operation: Any) -> None:
    @seed(1)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(base_url=address.rstrip("/"), timeout=60)  # a model may have to load first
        case.validate_response(response, checks=CHECKS)

    ask()
