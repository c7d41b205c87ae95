"""What the tests of the HTTP service share: galleries of colored pictures, clients, a real server."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.server import listen, url
from engine import Item, SearchEngine

COLORS = {"red": (200, 30), "green": (120, 120), "blue": (80, 160), "yellow": (300, 200), "white": (160, 90)}

# What a caption may hold and a page must show as nothing but text.
HOSTILE = "<img src=x onerror=\"document.title='run'\"> purple & <b>bold</b>"

BASE_URL = "http://127.0.0.1"


def picture_bytes(color: str, size: tuple[int, int] = (64, 48), format: str = "PNG") -> bytes:
    """A picture of one color, as a file's bytes."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, format)
    return out.getvalue()


def fill(gallery: Path, folder: Path) -> None:
    """Make a gallery of one picture a color, and two texts."""
    folder.mkdir(exist_ok=True)
    for color, size in COLORS.items():
        Image.new("RGB", size, color).save(folder / f"{color}.png")
    texts = [
        Item("note:1", "text", text="purple curtains", metadata={"year": 2026}),
        Item("note:2", "text", text=HOSTILE),
    ]
    with SearchEngine.open(gallery, model="color") as engine:
        report = engine.add([*(folder / f"{color}.png" for color in COLORS), *texts])
    assert report.added == len(COLORS) + 2, report.failed


@contextmanager
def client_of(app: FastAPI) -> Iterator[TestClient]:
    """A client whose requests reach the app as if from this machine, errors answered and not raised."""
    with TestClient(app, base_url=BASE_URL, raise_server_exceptions=False) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not true after {seconds} s"
        time.sleep(0.02)


def held_back(app: ASGIApp, part: bytes, until: threading.Event) -> ASGIApp:
    """The app, but of its answers to requests with `part` in their bodies the second half comes late."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked = bytearray()

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.body" and part in asked and not until.is_set():
                body = message["body"]
                half = len(body) // 2
                await send({**message, "body": body[:half], "more_body": True})
                while not until.is_set():
                    await asyncio.sleep(0.01)
                message = {**message, "body": body[half:]}
            await send(message)

        await app(scope, hear, tell)

    return answer


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """A real server on a free port of this machine; gives its address."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield url(listener)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"
