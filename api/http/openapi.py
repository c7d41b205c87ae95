"""The OpenAPI document: FastAPI's own, with what FastAPI cannot see in the routes."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.http.asking import AskRequest, CaptionRequest, SearchRequest
from api.http.problems import MEDIA_TYPE
from api.http.replies import ProblemReply
from api.http.schemas import ItemsRequest

TITLE = "Crosslight"
VERSION = "1"
DESCRIPTION = """Search pictures with words and words with pictures, and see why each one matched.

Every error is an RFC 9457 problem document, `application/problem+json`."""
TAGS = [
    {"name": "search", "description": "Find items, best first."},
    {"name": "sessions", "description": "Search by talking: a query that utterances refine."},
    {"name": "telling", "description": "What a picture shows, in a sentence or in answers."},
    {"name": "items", "description": "Add, look at and remove items."},
    {"name": "doors", "description": "The same engine, as the clients of other services call it."},
    {"name": "jobs", "description": "Long work: started, followed, cancelled."},
    {"name": "sign-in", "description": "How the page sends an API key: a browser's pictures cannot."},
    {"name": "status", "description": "What the service holds and how it is."},
]

_REFERENCE = "#/components/schemas/{model}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problem documents a route can answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="ProblemReply")}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def form_schema(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Describe the fields of a form."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def request_body(model: str, form: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that comes as JSON (a model named in the components) or as a form."""
    content = {
        "application/json": {"schema": {"$ref": _REFERENCE.format(model=model)}},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """Build the document, with the schemas that routes name but FastAPI does not see."""
    built = get_openapi(
        title=TITLE, version=VERSION, description=DESCRIPTION, routes=app.routes, tags=list(TAGS)
    )
    models: list[tuple[Any, Any]] = [
        (SearchRequest, "validation"),
        (ItemsRequest, "validation"),
        (CaptionRequest, "validation"),
        (AskRequest, "validation"),
        (ProblemReply, "serialization"),
    ]
    _, schema = models_json_schema(models, ref_template=_REFERENCE)
    schemas = built.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema["$defs"])
    built["components"]["schemas"] = dict(sorted(schemas.items()))
    _forget_unsent(built)
    return built


def _forget_unsent(built: dict[str, Any]) -> None:
    """Take out the 422 that FastAPI describes by itself: no route answers so."""
    unsent = _REFERENCE.format(model="HTTPValidationError")
    for operations in built["paths"].values():
        for operation in operations.values():
            if unsent in json.dumps(operation["responses"].get("422")):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        built["components"]["schemas"].pop(name, None)


def text(app: FastAPI) -> str:
    """The document as it is committed."""
    return json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"
