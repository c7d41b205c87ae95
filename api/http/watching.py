"""Every request has an id, is counted, and leaves one line in the log."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.figures import OTHER, Figures

HEADER = "x-request-id"
# What a caller may name a request: enough for every usual kind of id, and nothing that could forge a log.
SOUND = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
log = logging.getLogger("crosslight.requests")


class Watch:
    """ASGI middleware, the outermost: takes or makes `X-Request-ID`, counts, and logs."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self.app = app
        self.figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        identity = given if SOUND.fullmatch(given) else secrets.token_hex(8)
        token = request_id.set(identity)
        status, start = 500, time.perf_counter()

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        try:
            await self.app(scope, receive, marked)
        finally:
            self._tell(scope, status, time.perf_counter() - start)
            request_id.reset(token)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self.figures.count(scope["method"], route, status, seconds)
        client = scope.get("client")
        facts = {
            "method": scope["method"],
            "path": quote(scope["path"]),
            "route": route,
            "status": status,
            "milliseconds": round(1000 * seconds, 1),
            "key": scope.get("key"),
            "client": client[0] if client else None,
        }
        text = "%s %s %d %.1f ms"
        log.info(text, facts["method"], facts["path"], status, 1000 * seconds, extra={"facts": facts})


def _route(scope: Scope) -> str:
    """Name the route that answered, by its path with the names of what varies."""
    path: str = getattr(scope.get("route"), "path", "") or OTHER
    if path == OTHER or path.startswith("/v1/") or not scope["path"].startswith("/v1/"):
        return path
    return ("/v1/galleries/{gallery}" if "gallery" in scope.get("path_params", {}) else "/v1") + path


class Lines(logging.Formatter):
    """A line of text a record, with the id of the request it belongs to."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        identity = request_id.get()
        text = super().format(record)
        return f"{text} [{identity}]" if identity else text


class JsonLines(logging.Formatter):
    """A JSON document a line."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            document["error"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)
