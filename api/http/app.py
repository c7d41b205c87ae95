"""The app factory: settings in, a FastAPI app out. Nothing is opened before the app starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from api.doors import clip_retrieval, cohere, jina, openai
from api.http import (
    browsing,
    galleries,
    items,
    job_routes,
    measures,
    openapi,
    page,
    pictures,
    problems,
    recommend,
    searches,
    sessions,
    signing,
    status,
    streaming,
    telling,
)
from api.http.figures import Figures, Load
from api.http.guard import Guard
from api.http.jobs import Jobs
from api.http.keys import Keys
from api.http.rates import Rates
from api.http.repeats import Repeats
from api.http.settings import Settings
from api.http.state import Service
from api.http.tracing import Tracing
from api.http.unexpected import Unexpected
from api.http.watching import Watch
from engine import SearchEngine
from engine.dialogue import Sessions

# Of one gallery: there under /v1/ for the first one, and under /v1/galleries/{gallery}/ for each.
GALLERY_ROUTES = (
    searches.router,
    sessions.router,
    telling.router,
    browsing.router,
    recommend.router,
    items.router,
    streaming.router,
    job_routes.router,
    pictures.router,
    status.gallery_router,
    openai.router,
    cohere.router,
)
# Of the server as a whole, with their paths in full.
SERVER_ROUTES = (
    status.router,
    measures.router,
    galleries.router,
    signing.router,
    cohere.server_router,
    jina.router,
    clip_retrieval.router,
)


def create_app(settings: Settings, *engines: SearchEngine) -> FastAPI:
    """Build the app over one or several galleries.

    It opens the galleries when it starts and closes them when it stops; engines that are passed in, one
    a gallery in the order of the settings, stay open, their owner closes them.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as opened:
            running = engines or await run_in_threadpool(_open, settings, opened)
            services = {
                name: Service(name, one, opened.enter_context(_talk(settings, one)))
                for name, one in zip(settings.galleries(), running, strict=True)
            }
            app.state.services = services
            app.state.jobs = jobs = Jobs(settings.state / "jobs", services)
            warming = asyncio.create_task(run_in_threadpool(_warm, services))
            try:
                yield
            finally:
                await run_in_threadpool(jobs.close)
                await warming
                app.state.services = app.state.jobs = None
                if app.state.tracing is not None:
                    await run_in_threadpool(app.state.tracing.close)

    # The interactive pages FastAPI offers load their scripts from another host, so they are off.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.state.keys = Keys(settings.keys_file)
    app.state.repeats = Repeats(settings.state / "answers", settings.repeat_hours)
    app.state.rates = Rates(settings.rate)
    app.state.load = Load()
    app.state.figures = Figures(app.state.load, lambda: getattr(app.state, "services", None))
    app.state.tracing = Tracing(app) if settings.tracing else None
    _guard(app, settings)
    problems.install(app)
    _route(app)
    page.mount(app)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.document(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


def _guard(app: FastAPI, settings: Settings) -> None:
    """Put around the app what every request passes through, the outermost last."""
    app.add_middleware(Unexpected)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Guard, settings=settings, load=app.state.load)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "x-api-key", "x-request-id"],
            expose_headers=["etag", "retry-after", "x-request-id", "idempotency-replayed"],
        )
    app.add_middleware(Watch, figures=app.state.figures)


def _route(app: FastAPI) -> None:
    for router in GALLERY_ROUTES:
        app.include_router(router, prefix="/v1")
        app.include_router(router, prefix="/v1/galleries/{gallery}", include_in_schema=False)
    for router in SERVER_ROUTES:
        app.include_router(router)


def _open(settings: Settings, opened: ExitStack) -> tuple[SearchEngine, ...]:
    paths = settings.galleries().values()
    return tuple(opened.enter_context(open_gallery(settings, path)) for path in paths)


def open_gallery(settings: Settings, path: Path) -> SearchEngine:
    """Open one of the galleries as the settings have it."""
    return SearchEngine.open(
        path, model=settings.model, device=settings.device, reranker=settings.reranker, create=False
    )


def _talk(settings: Settings, engine: SearchEngine) -> Sessions:
    """Open a gallery's conversations; nobody may have a file of this machine opened by naming it."""
    return Sessions(
        engine, time_to_live=settings.session_hours * 3600, endpoint=settings.endpoint(), files=False
    )


def _warm(services: dict[str, Service]) -> None:
    for service in services.values():
        service.warm()
