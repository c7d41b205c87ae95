"""The Python client, against a real server: items, pages, errors, trying again."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from serving import fill, picture_bytes, running

from api.client import (
    AsyncClient,
    Busy,
    Client,
    NewPicture,
    NewText,
    NotAllowed,
    NotFound,
    Refused,
    Retries,
    ServiceError,
    Unreachable,
)
from api.client.replies import Results
from api.http import Settings, create_app

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def writable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose gallery may be written to."""
    folder = tmp_path_factory.mktemp("client")
    fill(folder / "g.gallery", folder / "pictures")
    with running(create_app(Settings(folder / "g.gallery"))) as url:
        yield url


@contextmanager
def faulty(*replies: tuple[int, dict[str, str], dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these replies, the last one for ever; and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            while size := int(self.rfile.readline(), 16):  # a body that comes in chunks
                self.rfile.read(size + 2)
            self.rfile.readline()
            self.do_GET()

        def do_GET(self) -> None:
            status, headers, document = replies[min(len(asked), len(replies) - 1)]
            asked.append(self.path)
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_gallery_is_searched_and_changed(writable: str, tmp_path: Path) -> None:
    (tmp_path / "pink.png").write_bytes(picture_bytes("pink"))
    with Client(writable) as client:
        before = client.info()
        assert (before.model, before.pictures) == ("color", 5)
        assert client.search("red", k=1).hits[0].item.metadata["width"] == 200
        assert client.search(image=picture_bytes("blue"), k=1).hits[0].item.uri.endswith("blue.png")
        sent = client.add_files([tmp_path / "pink.png"], {"album": "mine"})
        assert (sent.added, sent.items[0].status) == (1, "added")
        (mine,) = (hit.item for hit in client.search("pink", k=1))
        assert client.get(mine.id).metadata["album"] == "mine"
        assert client.image(mine.id) == picture_bytes("pink")
        assert client.thumbnail(mine.id)[8:12] == b"WEBP"
        client.remove(mine.id)
        with pytest.raises(NotFound, match=f"no item has the id {mine.id}"):
            client.get(mine.id)
        note = NewText("my:2", "a note", {"year": 2026})
        sent = client.add([NewPicture("my:1", tmp_path / "pink.png", "a pink card"), note])
        assert (sent.added, [one.uri for one in sent.items]) == (2, ["my:1", "my:2"])
        assert client.add([note]).unchanged == 1
        assert [one.uri for one in client.items("year = 2026")] == ["note:1", "my:2"]


def test_a_gallery_is_named(writable: str) -> None:
    with Client(writable, gallery="g") as client:
        assert client.info().model == "color"
    with Client(writable, gallery="h") as client, pytest.raises(NotFound, match="No gallery is called 'h'"):
        client.info()


def test_hits_go_on_over_pages(writable: str) -> None:
    with Client(writable) as client:
        pages = client.hits("red", k=2)
        shown = [next(pages).item.id for _ in range(5)]
    assert len(set(shown)) == 5


def test_the_awaited_client_does_the_same(writable: str) -> None:
    async def work() -> tuple[Results, list[int]]:
        async with AsyncClient(writable) as client:
            first, _ = await asyncio.gather(client.search("red", k=3), client.info())
            shown = [hit.item.id async for hit in client.hits("red", k=3)]
            return first, shown[:3]

    found, shown = asyncio.run(work())
    assert [hit.item.id for hit in found] == shown


def test_both_clients_have_the_same_methods() -> None:
    def signatures(of: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(m).parameters) for name, m in methods if name[0] != "_"}

    assert signatures(Client) == signatures(AsyncClient)


def test_an_error_carries_the_problem(writable: str) -> None:
    with Client(writable) as client, pytest.raises(Refused, match="year") as refused:
        client.search("red", filter="year >=")
    assert refused.value.status == 422
    assert refused.value.type == "urn:crosslight:problem:bad-input"
    assert refused.value.problem["instance"] == "/v1/search"


def test_it_waits_as_long_as_the_service_asks_and_tries_again() -> None:
    info = {"model": "color", "items": 0, "pictures": 0, "texts": 0}
    busy = (503, {"retry-after": "0"}, {"title": "Service Unavailable"})
    with faulty(busy, busy, (200, {}, info)) as (url, asked), Client(url) as client:
        assert client.info().model == "color"
    assert asked == ["/v1/info"] * 3


def test_it_gives_up_in_the_end_and_never_repeats_what_is_wrong() -> None:
    few = Retries(2, first=0.001)
    with faulty((429, {}, {"detail": "slower"})) as (url, asked), Client(url, retries=few) as client:
        with pytest.raises(Busy, match="slower"):
            client.info()
        assert len(asked) == 3
    with faulty((503, {"retry-after": "3600"}, {})) as (url, asked), Client(url) as client:
        with pytest.raises(Busy):
            client.info()
        assert len(asked) == 1  # nobody waits an hour
    with faulty((403, {}, {"detail": "no"})) as (url, asked), Client(url) as client:
        with pytest.raises(NotAllowed, match="no"):
            client.info()
        assert len(asked) == 1


def test_an_answer_that_is_no_problem_document_is_an_error_too() -> None:
    with faulty((500, {}, [])) as (url, _), Client(url) as client:  # type: ignore[arg-type]
        with pytest.raises(ServiceError, match="500 Internal Server Error"):
            client.info()


def test_a_stream_that_ends_too_early_is_not_taken_for_whole() -> None:
    first = {"line": 1, "uri": "my:1", "id": 1, "status": "added", "reason": None}
    with faulty((200, {}, first)) as (url, _), Client(url) as client:
        told = client.ingest([NewText("my:1", "a"), NewText("my:2", "b")])
        assert next(told).status == "added"
        with pytest.raises(Unreachable, match="before it had told of everything"):
            next(told)
    refused = {"line": 2, "error": {"status": 409, "title": "Conflict", "detail": "a job is writing"}}
    with faulty((200, {}, refused)) as (url, _), Client(url) as client:
        with pytest.raises(Busy, match="a job is writing"):
            list(client.ingest([NewText("my:1", "a")]))


def test_nobody_at_home_is_said_so() -> None:
    with Client("http://127.0.0.1:1", retries=Retries(1, first=0.001)) as client:
        with pytest.raises(Unreachable, match="is `crosslight serve` running there"):
            client.info()


def test_importing_it_loads_neither_torch_nor_the_engine() -> None:
    heavy = {"torch", "engine", "numpy", "fastapi"}
    code = f"import sys, api.client; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
