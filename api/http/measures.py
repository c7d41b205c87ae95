"""`/metrics`, `/metrics-summary` and `/v1/health`: what the service tells of itself."""

from __future__ import annotations

import shutil

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.documents import Document
from api.http.access import READ
from api.http.openapi import problems
from api.http.problems import Problem
from api.http.replies import HealthReply
from api.http.state import Service
from engine.errors import EngineError

router = APIRouter(tags=["status"])

FREE_BYTES = 512 * 1024 * 1024  # with less room on a gallery's disk, adding may soon fail
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"description": "The text format of Prometheus.", **_TEXT}, **problems(401, 403, 429)},
    dependencies=[READ],
)
def metrics(request: Request) -> Response:
    """Give counters of requests, encodes and items, and of the process."""
    return Response(request.app.state.figures.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})


@router.get(
    "/metrics-summary",
    summary="Figures for a person",
    response_class=Response,
    responses={200: {"description": "A table.", **_TEXT}, **problems(401, 403, 429)},
    dependencies=[READ],
)
def summary(request: Request) -> Response:
    """Give a table of the routes: how often each was asked, how often it failed, how long it took."""
    return Response(request.app.state.figures.table(), media_type="text/plain")


@router.get(
    "/v1/health",
    summary="How well it is",
    response_model=HealthReply,
    responses=problems(503),
)
def health(request: Request) -> Document:
    """Tell ok from degraded (it answers, but something needs a person); 503 when it is down."""
    state = request.app.state
    services: dict[str, Service] = getattr(state, "services", None) or {}
    faults = {name: one.fault for name, one in services.items() if one.fault is not None}
    reasons = [f"{name}: {fault}" for name, fault in faults.items()] + troubles(request, services)
    if len(faults) == len(services):
        raise Problem(503, "; ".join(reasons))
    return {"status": "degraded" if reasons else "ok", "reasons": reasons}


def troubles(request: Request, services: dict[str, Service]) -> list[str]:
    """Say what works for now and will not for long, or not for everyone."""
    state = request.app.state
    found = [] if services else ["The gallery is not open"]
    for name, one in services.items():
        try:
            free = shutil.disk_usage(one.engine.path).free
            if free < FREE_BYTES:
                found.append(f"{name}: {free // 2**20} MB are free on its disk; make room")
        except OSError as error:
            found.append(f"{name}: its directory cannot be read ({error.strerror})")
        if one.writer is not None:
            found.append(f"{name}: {one.writer} is writing, others cannot")
    if state.load.is_short():
        found.append("requests were refused within the last minute for want of room")
    try:
        state.keys.listed()
    except EngineError as error:
        found.append(str(error))
    return found
