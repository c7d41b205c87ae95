"""`POST /v1/ingest`: items a line in, what became of each a line out, while the body still comes.

One task reads and adds, and writes its results to a file; the answer follows that file. So a client that
sends all before it reads anything holds nobody up, and a result costs no memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.documents import Document
from api.http.access import WRITE
from api.http.bodies import media_type
from api.http.fetching import Fetcher
from api.http.ingest import STATUSES, Wanted, add, described
from api.http.openapi import problems
from api.http.problems import Problem, document_of, invalid, problem_of
from api.http.repeats import REPLAYED, Claimed
from api.http.schemas import AnyItem, ImageItem, TextItem
from api.http.settings import Settings
from api.http.state import Service, Serviced
from engine.errors import EngineError

NDJSON = "application/x-ndjson"
BATCH = 32  # lines added at once,
BATCH_BYTES = 8 * 1024 * 1024  # fewer where they are long,
PATIENCE = 0.1  # or what there is, when no line has come for so many seconds
CHUNK = 64 * 1024

router = APIRouter(tags=["items"])
_item: TypeAdapter[TextItem | ImageItem] = TypeAdapter(AnyItem)

_LINES = {"schema": {"type": "string", "description": "One JSON document a line."}}


@router.post(
    "/ingest",
    summary="Add or replace items in a stream, one a line",
    response_class=Response,
    responses={
        200: {"description": "What became of each line, then the counts.", "content": {NDJSON: _LINES}},
        **problems(400, 401, 403, 409, 413, 415, 422, 429, 503),
    },
    openapi_extra={"requestBody": {"required": True, "content": {NDJSON: _LINES}}},
    dependencies=[WRITE],
)
async def ingest(request: Request, service: Serviced, claim: Claimed) -> Response:
    """Add items, each a line as in `POST /v1/items`, and tell of each as soon as it is in the gallery.

    A line that is no item is told as failed, and the others go on. The last line has the counts; one with
    `error` means that the lines from its `line` on were not added.
    """
    media_type(request, NDJSON)
    settings: Settings = request.app.state.settings
    lines = _lines(request.stream(), settings.max_body_bytes)
    digest = hashlib.sha256()
    if claim is not None and claim.path.is_file():
        async for line in lines:
            digest.update(line + b"\n")
        earlier = claim.earlier(digest.hexdigest())
        if earlier is not None:
            return Response(earlier, media_type=NDJSON, headers=REPLAYED)
        raise Problem(409, "The first answer under this key is lost; send the lines again with a new key")
    results = Results()
    run = _Run(service, results, digest, settings.fetcher)
    task = asyncio.create_task(run.all(lines))
    if not await results.begun(task):
        results.close()
        await task  # it failed before anything was added: that is the answer
    return Streamed(results, task, run, claim)


class Results:
    """Lines in a file that one task writes and another follows."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._size = 0
        self._more = asyncio.Event()

    def write(self, *documents: Document) -> None:
        data = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in documents)
        self._size += os.pwrite(self._file.fileno(), data, self._size)
        self._more.set()

    async def begun(self, task: asyncio.Task[None]) -> bool:
        """Wait for the first result, and say whether there is one before the task has ended."""
        waiting = asyncio.create_task(self._more.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return self._size > 0

    async def chunks(self, task: asyncio.Task[None]) -> AsyncIterator[bytes]:
        """Yield what is written until the task has ended."""
        sent = 0
        while True:
            self._more.clear()
            ended = task.done()
            while chunk := os.pread(self._file.fileno(), CHUNK, sent):
                sent += len(chunk)
                yield chunk
            if ended:
                return
            waiting = asyncio.create_task(self._more.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()

    def whole(self) -> bytes:
        return os.pread(self._file.fileno(), self._size, 0)

    def close(self) -> None:
        self._file.close()


class Streamed(Response):
    """The results as they come; the body is still being read, so only the task listens to it."""

    media_type = NDJSON

    def __init__(self, results: Results, task: asyncio.Task[None], run: _Run, claim: Any) -> None:
        self.results, self.task, self.run, self.claim = results, task, run, claim
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({"x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for chunk in self.results.chunks(self.task):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if self.claim is not None and self.run.complete:
                self.claim.keep(self.run.digest.hexdigest(), self.results.whole())
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.task.cancel()
            self.results.close()


class _Run:
    """The adding of one stream."""

    def __init__(self, service: Service, results: Results, digest: Any, fetcher: Fetcher) -> None:
        self._service = service
        self._results = results
        self._fetcher = fetcher
        self._counts: Counter[str] = Counter()
        self._batch: list[tuple[int, bytes]] = []
        self._held = 0
        self.digest = digest
        self.complete = False

    async def all(self, lines: AsyncIterator[bytes]) -> None:
        """Add every line, batch by batch; an error after the first result becomes the last line."""
        number = 0
        try:
            coming: asyncio.Task[bytes | None] | None = None
            while True:
                coming = coming or asyncio.create_task(_next(lines))
                done, _ = await asyncio.wait({coming}, timeout=PATIENCE if self._batch else None)
                if not done:
                    await self._flush()
                    continue
                line, coming = coming.result(), None
                if line is None:
                    break
                number += 1
                self.digest.update(line + b"\n")
                if line.strip():
                    self._batch.append((number, line))
                    self._held += len(line)
                if len(self._batch) >= BATCH or self._held > BATCH_BYTES:
                    await self._flush()
            await self._flush()
        except ClientDisconnect:
            return  # nobody is there to be told
        except (EngineError, Problem) as error:
            if not self._counts:
                raise
            first = self._batch[0][0] if self._batch else number + 1
            self._results.write({"line": first, "error": document_of(problem_of(error))})
            return
        self._results.write(
            {"done": True, "lines": number, **{name: self._counts[name] for name in STATUSES}}
        )
        self.complete = True

    async def _flush(self) -> None:
        if not self._batch:
            return
        numbers, ready, told = await run_in_threadpool(self._ready)
        if ready.names:
            added = await add(self._service, ready)
            told.update(zip(numbers, added["items"], strict=True))
        outcomes = [{"line": number, **told[number]} for number in sorted(told)]
        self._counts.update(outcome["status"] for outcome in outcomes)
        self._batch, self._held = [], 0
        self._results.write(*outcomes)

    def _ready(self) -> tuple[list[int], Wanted, dict[int, Document]]:
        """Read the lines in hand: the numbers of items, what is to be added, and what is no item."""
        told: dict[int, Document] = {}
        items: dict[int, TextItem | ImageItem] = {}
        for number, line in self._batch:
            try:
                items[number] = _item.validate_json(line)
            except ValidationError as error:
                reason = invalid(error.errors(include_context=False, include_input=False)).detail
                told[number] = {"uri": None, "id": None, "status": "failed", "reason": reason}
        return list(items), described(list(items.values()), self._fetcher), told


async def _next(lines: AsyncIterator[bytes]) -> bytes | None:
    return await anext(lines, None)


async def _lines(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Cut a stream into lines; `Problem` for one that is over the limit."""
    rest = bytearray()
    async for chunk in stream:
        rest += chunk
        *lines, last = rest.split(b"\n") if b"\n" in chunk else [rest]
        for line in lines:
            yield _within(line, limit)
        rest = bytearray(last) if lines else rest
        if len(rest) > limit:
            _within(rest, limit)
    if rest.strip():
        yield bytes(rest)


def _within(line: bytearray, limit: int) -> bytes:
    if len(line) > limit:
        raise Problem(413, f"A line is over the limit of {limit} bytes; send smaller pictures")
    return bytes(line)
