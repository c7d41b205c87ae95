"""What every request passes first: the host and origin checks and the limit on the body's size."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.figures import Load
from api.http.problems import Problem, problem_response
from api.http.settings import ANY_HOST, Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# How it is has to be told however busy it is, and who follows a job costs next to nothing.
UNCOUNTED = ("/healthz", "/readyz", "/v1/health", "/metrics", "/events")

# The page needs its own files, the pictures it makes from what is dropped on it, and nothing else.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware: refuses what must not reach a handler, marks what leaves."""

    def __init__(self, app: ASGIApp, settings: Settings, load: Load) -> None:
        self.app = app
        self.settings = settings
        self.load = load
        self.headers = dict(SECURITY_HEADERS)
        if settings.cors_origins:
            self.headers["cross-origin-resource-policy"] = "cross-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        problem = refusal(scope, self.settings)
        if problem is not None:
            await problem_response(problem, scope["path"])(scope, receive, self._marked(send))
            return
        if self.load.active >= self.settings.max_requests and not scope["path"].endswith(UNCOUNTED):
            self.load.refuse()
            await problem_response(overloaded(self.load.active), scope["path"])(
                scope, receive, self._marked(send)
            )
            return
        self.load.active += 1
        try:
            await self._pass(scope, receive, send)
        finally:
            self.load.active -= 1

    def _marked(self, send: Send) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return marked

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = _limited(receive, body_limit(scope, self.settings))
        await self.app(scope, limited, self._marked(send))


def _is_allowed(origin: str, settings: Settings) -> bool:
    return origin in settings.cors_origins or "*" in settings.cors_origins


def overloaded(active: int) -> Problem:
    """The problem of one request more than the service can keep waiting."""
    detail = f"{active} requests are under way and no more can wait; try again in a second"
    return Problem(
        503, detail, name="overloaded", title="Too many requests at once", headers={"retry-after": "1"}
    )


def refusal(scope: Scope, settings: Settings) -> Problem | None:
    """Say why a request must not go on, from its head alone; `None` when it may."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if settings.names != ANY_HOST and _name(host) not in settings.names:
        return Problem(
            421,
            f"This service does not answer to the name {host!r}; it answers to {', '.join(settings.names)}",
        )
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != host and not _is_allowed(origin, settings)
    if foreign and scope["method"] not in SAFE_METHODS:
        return Problem(403, f"A page of {origin} may not change or search this gallery")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > body_limit(scope, settings):
        return too_large(body_limit(scope, settings))
    return None


def body_limit(scope: Scope, settings: Settings) -> int:
    """The most bytes a request's body may have: a stream is limited line by line, and by more in all."""
    return settings.max_stream_bytes if scope["path"].endswith("/ingest") else settings.max_body_bytes


def too_large(limit: int) -> Problem:
    """The problem of a body over the limit, whether announced or found while reading."""
    return Problem(
        413, f"The body is over the limit of {limit} bytes; send fewer or smaller pictures a request"
    )


def _name(host: str) -> str:
    # An IPv6 address is in brackets and full of colons, so only a colon after them starts the port.
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdecimal() and not host.endswith("]") else host.lower()


def _limited(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise too_large(limit)
        return message

    return limited
