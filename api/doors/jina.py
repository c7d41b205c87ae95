"""`POST /rerank`, as the clients of Jina and of infinity call it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.doors.reranking import RerankReply, RerankRequest, rerank
from api.doors.shapes import route_shaped
from api.http.access import READ
from api.http.problems import Problem
from api.http.state import Engine


class DetailReply(BaseModel):
    """What went wrong, as Jina and infinity tell it."""

    detail: str


def shaped(problem: Problem) -> dict[str, Any]:
    """Write a problem as Jina and infinity do."""
    return {"detail": problem.detail}


router = APIRouter(tags=["doors"], route_class=route_shaped(shaped, mistaken=422))


@router.post(
    "/rerank",
    summary="Put texts and pictures in order, for the clients of Jina and infinity",
    response_model_exclude_none=True,
    responses={status: {"model": DetailReply} for status in (401, 403, 404, 409, 413, 422, 429, 503)},
    dependencies=[READ],
)
def rerank_plain(wanted: RerankRequest, engine: Engine) -> RerankReply:
    """Order documents by how well they fit a query; documents come back as they were given."""
    return rerank(wanted, engine, plain=True)
