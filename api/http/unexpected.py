"""Errors that nobody foresaw: our mistakes."""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import Problem, problem_response
from api.http.tracing import Tracing

log = logging.getLogger("crosslight")


class Unexpected:
    """ASGI middleware, the innermost: an error is logged with the request's id, and answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log.exception("%s %s broke", scope["method"], quote(scope["path"]))
            tracing: Tracing | None = scope["app"].state.tracing
            if tracing is not None:
                tracing.broke(error)
            if started:
                raise  # the answer is cut, so that nobody takes it for whole
            # The cause stays in the log: it may tell of what is no business of the client.
            detail = "Something broke on our side; the server's log has the cause, under this X-Request-ID"
            await problem_response(Problem(500, detail), scope["path"])(scope, receive, send)
