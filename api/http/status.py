"""`/v1/info`, `/healthz` and `/readyz`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.http.access import READ
from api.http.openapi import problems
from api.http.problems import Problem
from api.http.replies import InfoReply, StateReply
from api.http.state import Engine, Services

router = APIRouter(tags=["status"])
gallery_router = APIRouter(tags=["status"])


@gallery_router.get(
    "/info",
    summary="What the gallery holds",
    response_model=InfoReply,
    responses=problems(401, 403, 409, 429, 503),
    dependencies=[READ],
)
def info(engine: Engine) -> dict[str, Any]:
    """Give the gallery's model, counts and sizes."""
    return engine.info()


@router.get("/healthz", summary="Is the process up", response_model=StateReply)
async def health() -> dict[str, str]:
    """Answer as long as the process lives, however busy it is."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can it answer searches", response_model=StateReply, responses=problems(503))
async def ready(running: Services) -> dict[str, str]:
    """Answer 200 once every gallery is open and its model is loaded, 503 with the reason until then."""
    for one in running.values():
        if one.fault is not None:
            raise Problem(503, one.fault if len(running) == 1 else f"{one.name}: {one.fault}")
    return {"status": "ready"}
