"""What the app holds while it runs: the engine, and whether it can answer yet."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from api.http.problems import Problem
from engine import SearchEngine
from engine.errors import EngineError

log = logging.getLogger("crosslight")


@dataclass(slots=True)
class Service:
    """An open engine, and why it is not ready (`None` once its model is loaded)."""

    engine: SearchEngine
    fault: str | None = "The model is being loaded; try again in a few seconds"

    def warm(self) -> None:
        """Load the model now, so that the first visitor does not wait for it."""
        try:
            self.engine.load()
        except EngineError as error:
            self.fault = str(error)
            log.error("not ready: %s", error)
        else:
            self.fault = None


def service(request: Request) -> Service:
    """Give a handler the running service."""
    running: Service | None = getattr(request.app.state, "service", None)
    if running is None:
        raise Problem(503, "The gallery is not open")
    return running


def engine(request: Request) -> SearchEngine:
    """Give a handler the open engine."""
    return service(request).engine


Engine: TypeAlias = Annotated[SearchEngine, Depends(engine)]
