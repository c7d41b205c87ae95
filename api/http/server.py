"""Running the service: a socket, a gallery, uvicorn. Logs go to stderr; stdout stays empty."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.http.app import create_app, open_gallery
from api.http.jobs import Jobs
from api.http.keys import Keys
from api.http.settings import LOOPBACK, Settings
from engine.errors import BadInput

log = logging.getLogger("crosslight")

# Requests under way at a stop get this long to finish.
GRACE_SECONDS = 10

MAX_PORT = 65_535


class _Server(uvicorn.Server):
    """Tells those who follow a job that it is over now: such answers would end with the job only."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        jobs: Jobs | None = getattr(self._app.state, "jobs", None)
        if jobs is not None:
            jobs.closing = True
        super().handle_exit(sig, frame)


def logging_config(settings: Settings) -> dict[str, Any]:
    """Write logs to stderr, as text or as JSON; each request leaves one line, which is ours."""
    formatter = "api.http.watching.JsonLines" if settings.log_format == "json" else "api.http.watching.Lines"
    stderr = {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": stderr},
        "loggers": {
            name: {"handlers": ["stderr"], "level": "INFO", "propagate": False}
            for name in ("uvicorn", "crosslight")
        },
    }


def serve(settings: Settings, *, browse: bool = False) -> None:
    """Serve galleries until Ctrl-C or a termination signal; `browse` opens the page in a browser.

    Raises an `EngineError` when a gallery cannot be opened, the address cannot be had, or it is not to be
    had by everyone.
    """
    check_open(settings)
    with (
        contextlib.closing(listen(settings.host, settings.port)) as listener,
        contextlib.ExitStack() as opened,
        _stopped_by_signals(),
    ):
        paths = settings.galleries().values()
        engines = [opened.enter_context(open_gallery(settings, path)) for path in paths]
        app = create_app(settings, *engines)
        config = uvicorn.Config(
            app,
            log_config=logging_config(settings),
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )
        log.info("Crosslight is at %s", url(listener))
        if browse and not webbrowser.open(url(listener)):  # the socket listens: the browser waits a moment
            log.warning("no browser could be opened")
        _Server(app, config).run(sockets=[listener])


def check_open(settings: Settings) -> None:
    """Refuse to let everyone in who can reach this machine, unless that is what was asked for."""
    if settings.host not in LOOPBACK and not settings.allow_open and not Keys(settings.keys_file).needed:
        raise BadInput(
            f"on {settings.host} whoever reaches this machine could search and change the gallery; make a "
            "key with: crosslight keys create NAME, or say that it is meant so with: --allow-open"
        )


def listen(host: str, port: int) -> socket.socket:
    """Take the address; port 0 lets the system choose one."""
    if not 0 <= port <= MAX_PORT:
        raise BadInput(f"cannot listen on {host}, port {port}: a port is 0 to {MAX_PORT}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BadInput(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Only a listening socket keeps others from taking the address as well.
        listener.listen()
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise BadInput(f"cannot listen on {host}, port {port}: {reason}; choose another port") from None
    return listener


def url(listener: socket.socket) -> str:
    """The address to type into a browser."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Leave quietly on Ctrl-C and on SIGTERM: uvicorn stops first, then passes the signal on to us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, previous)
