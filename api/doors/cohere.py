"""`POST /v1/rerank` and `/v2/rerank`, as Cohere's clients call them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.doors.reranking import RerankReply, RerankRequest, rerank
from api.doors.shapes import route_shaped
from api.http.access import READ
from api.http.problems import Problem
from api.http.state import Engine


class MessageReply(BaseModel):
    """What went wrong, as Cohere's clients read it."""

    message: str


def shaped(problem: Problem) -> dict[str, Any]:
    """Write a problem as Cohere does."""
    return {"message": problem.detail}


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": MessageReply} for status in (400, 401, 403, 404, 409, 413, 429, 503)
}
ROUTE = route_shaped(shaped)
router = APIRouter(tags=["doors"], route_class=ROUTE)
server_router = APIRouter(tags=["doors"], route_class=ROUTE)


@router.post(
    "/rerank",
    summary="Put texts and pictures in order, for Cohere's clients",
    response_model_exclude_none=True,
    responses=ERRORS,
    dependencies=[READ],
)
def rerank_v1(wanted: RerankRequest, engine: Engine) -> RerankReply:
    """Order documents by how well they fit a query; pictures are `data:` URIs or `{"image": …}`."""
    return rerank(wanted, engine)


@server_router.post(
    "/v2/rerank",
    summary="Put texts and pictures in order, for Cohere's clients",
    response_model_exclude_none=True,
    responses=ERRORS,
    dependencies=[READ],
)
def rerank_v2(wanted: RerankRequest, engine: Engine) -> RerankReply:
    """Order documents by how well they fit a query; a picture is a `data:` URI."""
    return rerank(wanted, engine)
