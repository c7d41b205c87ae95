"""Running the service: a socket, a gallery, uvicorn. Logs go to stderr; stdout stays empty."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from api.http.app import create_app
from api.http.settings import ANY_HOST, LOOPBACK_NAMES, Settings
from engine import SearchEngine
from engine.errors import BadInput

log = logging.getLogger("crosslight")

LOOPBACK = ("127.0.0.1", "localhost", "::1")

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


def serve(gallery: Path, host: str, port: int, model: str | None, device: str | None) -> None:
    """Serve a gallery until Ctrl-C or a termination signal.

    Raises an `EngineError` when the gallery cannot be opened or the address cannot be had.
    """
    hosts = LOOPBACK_NAMES if host in LOOPBACK else ANY_HOST
    settings = Settings(gallery, model, device, hosts=hosts)
    with (
        contextlib.closing(listen(host, port)) as listener,
        SearchEngine.open(gallery, model=model, device=device, create=False) as engine,
        _stopped_by_signals(),
    ):
        config = uvicorn.Config(
            create_app(settings, engine),
            log_config=LOGGING,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )
        log.info("Crosslight is at %s", url(listener))
        uvicorn.Server(config).run(sockets=[listener])


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
