"""`/v1/info`, `/healthz` and `/readyz`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.http.openapi import problems
from api.http.problems import Problem
from api.http.replies import InfoReply, StateReply
from api.http.state import Engine, Service, service

router = APIRouter(tags=["status"])


@router.get(
    "/v1/info", summary="What the gallery holds", response_model=InfoReply, responses=problems(409, 503)
)
def info(engine: Engine) -> dict[str, Any]:
    """Give the gallery's model, counts and sizes."""
    return engine.info()


@router.get("/healthz", summary="Is the process up", response_model=StateReply)
async def health() -> dict[str, str]:
    """Answer as long as the process lives, however busy it is."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can it answer searches", response_model=StateReply, responses=problems(503))
async def ready(running: Annotated[Service, Depends(service)]) -> dict[str, str]:
    """Answer 200 once the gallery is open and its model is loaded, 503 with the reason until then."""
    if running.fault is not None:
        raise Problem(503, running.fault)
    return {"status": "ready"}
