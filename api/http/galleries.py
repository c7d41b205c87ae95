"""`GET /v1/galleries`: which galleries this server has."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.http.access import READ
from api.http.openapi import problems
from api.http.replies import GalleriesReply
from api.http.state import Services

router = APIRouter(tags=["status"])


@router.get(
    "/v1/galleries",
    summary="The galleries of this server",
    response_model=GalleriesReply,
    responses=problems(401, 403, 429, 503),
    dependencies=[READ],
)
def galleries(running: Services) -> dict[str, Any]:
    """List the galleries. Each has every route of `/v1/` under `/v1/galleries/{name}/` too."""
    return {
        "galleries": [
            {
                "name": name,
                "path": f"/v1/galleries/{name}/",
                "model": one.engine.model,
                "items": len(one.engine),
                "ready": one.fault is None,
                "default": place == 0,
            }
            for place, (name, one) in enumerate(running.items())
        ]
    }
