"""The app factory: settings in, a FastAPI app out. Nothing is opened before the app starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from api.http import items, openapi, page, pictures, problems, searches, status
from api.http.guard import Guard
from api.http.settings import Settings
from api.http.state import Service
from engine import SearchEngine


def create_app(settings: Settings, engine: SearchEngine | None = None) -> FastAPI:
    """Build the app over a gallery.

    It opens the gallery when it starts and closes it when it stops; an engine that is passed in
    stays open, its owner closes it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = nullcontext(engine) if engine is not None else await run_in_threadpool(_open, settings)
        with opened as running:
            app.state.service = Service(running)
            warming = asyncio.create_task(run_in_threadpool(app.state.service.warm))
            try:
                yield
            finally:
                await warming
                app.state.service = None

    # The interactive pages FastAPI offers load their scripts from another host, so they are off.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, settings=settings)
    problems.install(app)
    for routes in (searches, items, pictures, status):
        app.include_router(routes.router)
    page.mount(app)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.document(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


def _open(settings: Settings) -> SearchEngine:
    return SearchEngine.open(settings.gallery, model=settings.model, device=settings.device, create=False)
