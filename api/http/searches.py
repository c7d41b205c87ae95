"""`POST /v1/search`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api.documents import result_document
from api.http.access import READ
from api.http.asking import SearchRequest, to_query, to_rerank
from api.http.bodies import search_request
from api.http.openapi import form_schema, problems, request_body
from api.http.replies import SearchReply
from api.http.state import Engine
from api.http.tracing import Traced

router = APIRouter(tags=["search"])

FORM_SCHEMA = form_schema(
    {
        "query": {"type": "string", "description": "A query as it is typed; see docs/query.md."},
        "text": {"type": "string"},
        "image": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "A picture file.",
        },
        "like": {"type": ["integer", "string"]},
        "kind": {"type": "string", "enum": ["image", "text"]},
        "filter": {"type": "string"},
        "k": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10},
        "rerank": {"type": "boolean", "default": True},
        "explain": {"type": "boolean", "default": False},
        "group": {"type": "boolean", "default": False},
        "diversity": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
        "precision": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "signals": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": 'A JSON object of signals and their weights, such as `{"lexical": 1}`.',
        },
        "page": {"type": "string"},
    }
)


@router.post(
    "/search",
    summary="Search with words, a picture, an item, or several of these together",
    response_model=SearchReply,
    response_model_exclude_unset=True,
    responses=problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    dependencies=[READ],
    openapi_extra=request_body("SearchRequest", FORM_SCHEMA),
)
def search(
    engine: Engine, wanted: Annotated[SearchRequest, Depends(search_request)], traced: Traced
) -> JSONResponse:
    """Give the best hits, best first. The reply is the one `crosslight search --json` prints."""
    # A response, not the document: checking it against SearchReply, which tests do, would cost a thread more.
    query = to_query(wanted)
    result = engine.search(
        query,
        k=wanted.k,
        filter=wanted.filter,
        rerank=to_rerank(wanted),
        explain=wanted.explain,
        group=wanted.group,
        diversity=wanted.diversity,
        precision=wanted.precision,
        signals=wanted.signals,
        page=wanted.page,
    )
    traced(result)
    return JSONResponse(result_document(query, result))
