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

from api.http.app import create_app, open_gallery
from api.http.keys import Keys
from api.http.settings import LOOPBACK, Settings
from engine.errors import BadInput

log = logging.getLogger("crosslight")

# Requests under way at a stop get this long to finish.
GRACE_SECONDS = 10

MAX_PORT = 65_535

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}
    },
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
        config = uvicorn.Config(
            create_app(settings, *engines),
            log_config=LOGGING,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )
        log.info("Crosslight is at %s", url(listener))
        if browse and not webbrowser.open(url(listener)):  # the socket listens: the browser waits a moment
            log.warning("no browser could be opened")
        uvicorn.Server(config).run(sockets=[listener])


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
