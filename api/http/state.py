"""What the app holds while it runs: each gallery's engine, and whether it can answer yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from api.http.problems import Problem
from engine import Item, Outcome, SearchEngine
from engine.dialogue import Sessions
from engine.errors import EngineError

T = TypeVar("T")
log = logging.getLogger("crosslight")


BATCH = 16  # encoded and committed at once: searches wait for no more than so many pictures
TOGETHER = 64  # items of several requests that are added in one go


@dataclass(slots=True)
class Service:
    """An open engine, its name, and why it is not ready (`None` once its model is loaded)."""

    name: str
    engine: SearchEngine
    sessions: Sessions
    fault: str | None = "The model is being loaded; try again in a few seconds"
    writer: str | None = None  # what is writing to the gallery for longer than a request may wait
    turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    waiting: list[tuple[Sequence[Item], asyncio.Future[list[Outcome]]]] = field(default_factory=list)

    async def add(self, items: Sequence[Item]) -> list[Outcome]:
        """Add items together with those of other requests that wait, and tell what became of each.

        However many requests there are, the gallery is opened for writing, and caught up with, once for all.
        """
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        mine = (items, future)
        self.waiting.append(mine)
        try:
            await self.write(self._add_waiting, lambda: not future.done())
        except BaseException as error:
            with suppress(ValueError):
                self.waiting.remove(mine)
            if not future.done():
                raise error
        return await future

    def _add_waiting(self) -> None:
        """Add what waits; runs in a thread while the others wait for their turn."""
        taken: list[tuple[Sequence[Item], asyncio.Future[list[Outcome]]]] = []
        count = 0
        while self.waiting and (not taken or count + len(self.waiting[0][0]) <= TOGETHER):
            taken.append(self.waiting.pop(0))
            count += len(taken[-1][0])
        outcomes: list[Outcome] = []
        failure: Exception | None = None
        try:
            self.engine.add([i for items, _ in taken for i in items], batch_size=BATCH, each=outcomes.append)
        except Exception as error:
            failure = error
        start = 0
        for items, future in taken:
            own = outcomes[start : start + len(items)]
            start += len(items)
            future.get_loop().call_soon_threadsafe(
                _settle, future, own if len(own) == len(items) else failure
            )

    async def write(self, work: Callable[[], T], wanted: Callable[[], bool] = lambda: True) -> T | None:
        """Do work that writes, one at a time, so that waiting writers take no thread from searches.

        Nothing is done if it is no longer wanted when its turn comes. Raises a `Problem` while a job writes.
        """
        async with self.turns:
            if not wanted():
                return None
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


def _settle(future: asyncio.Future[list[Outcome]], result: list[Outcome] | Exception | None) -> None:
    """Tell a request how it went, unless nobody waits for that any more."""
    if future.done():
        return
    if isinstance(result, list):
        future.set_result(result)
    else:
        future.set_exception(result or RuntimeError("the items were neither added nor refused"))


# FastAPI gives what depends on a plain function to a thread; these take no time, so they are coroutines.
async def services(request: Request) -> dict[str, Service]:
    """Give a handler every gallery by name, the first one first."""
    running: dict[str, Service] | None = getattr(request.app.state, "services", None)
    if running is None:
        raise Problem(503, "The gallery is not open")
    return running


async def service(request: Request) -> Service:
    """Give a handler the gallery its path names, the first one where it names none."""
    running = await services(request)
    name = request.path_params.get("gallery")
    if name is None:
        return next(iter(running.values()))
    if name not in running:
        raise Problem(404, f"No gallery is called {name!r} here; there is {', '.join(running)}")
    return running[name]


async def engine(request: Request) -> SearchEngine:
    """Give a handler the engine of the gallery its path names."""
    return (await service(request)).engine


Services: TypeAlias = Annotated[dict[str, Service], Depends(services)]
Serviced: TypeAlias = Annotated[Service, Depends(service)]
Engine: TypeAlias = Annotated[SearchEngine, Depends(engine)]
