"""What the app holds while it runs: each gallery's engine, and whether it can answer yet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from api.http.problems import Problem
from engine import SearchEngine
from engine.dialogue import Sessions
from engine.errors import EngineError

T = TypeVar("T")
log = logging.getLogger("crosslight")


@dataclass(slots=True)
class Service:
    """An open engine, its name, and why it is not ready (`None` once its model is loaded)."""

    name: str
    engine: SearchEngine
    sessions: Sessions
    fault: str | None = "The model is being loaded; try again in a few seconds"
    writer: str | None = None  # what is writing to the gallery for longer than a request may wait
    turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    async def write(self, work: Callable[[], T]) -> T:
        """Do work that writes, one at a time, so that waiting writers take no thread from searches.

        Raises a `Problem` while a job writes.
        """
        async with self.turns:
            if self.writer is not None:
                raise Problem(
                    409,
                    f"{self.name} is being written by {self.writer}; wait for it to end, or cancel it",
                    name="gallery-busy",
                    title="Another process is writing to the gallery",
                    headers={"retry-after": "5"},
                )
            return await to_thread.run_sync(work, limiter=CapacityLimiter(1))

    def warm(self) -> None:
        """Load the model now, so that the first visitor does not wait for it."""
        try:
            self.engine.load()
        except EngineError as error:
            self.fault = str(error)
            log.error("not ready: %s", error)
        else:
            self.fault = None


def services(request: Request) -> dict[str, Service]:
    """Give a handler every gallery by name, the first one first."""
    running: dict[str, Service] | None = getattr(request.app.state, "services", None)
    if running is None:
        raise Problem(503, "The gallery is not open")
    return running


def service(request: Request) -> Service:
    """Give a handler the gallery its path names, the first one where it names none."""
    running = services(request)
    name = request.path_params.get("gallery")
    if name is None:
        return next(iter(running.values()))
    if name not in running:
        raise Problem(404, f"No gallery is called {name!r} here; there is {', '.join(running)}")
    return running[name]


def engine(request: Request) -> SearchEngine:
    """Give a handler the engine of the gallery its path names."""
    return service(request).engine


Services: TypeAlias = Annotated[dict[str, Service], Depends(services)]
Serviced: TypeAlias = Annotated[Service, Depends(service)]
Engine: TypeAlias = Annotated[SearchEngine, Depends(engine)]
