"""The client whose calls are awaited; it has the methods of `api.client.Client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

import httpx

from api.client import facets, jobs, recommending, requests, talking, telling
from api.client.facets import Facets
from api.client.jobs import Job, JobKind
from api.client.recommending import Event, Recommendation
from api.client.replies import Added, Hit, Info, Item, Outcome, Results, Scalar
from api.client.requests import Call, Kind, New, Picture, SearchOptions
from api.client.sending import (
    TIMEOUT,
    Retries,
    arguments_of,
    base_of,
    became,
    cut_short,
    headers_of,
    read,
    refused,
    stream_of,
    unreachable,
)
from api.client.talking import Session, Turn, TurnOptions
from api.client.telling import Answer, Captions

T = TypeVar("T")


class AsyncClient:
    """One gallery of a service at `url`: the first one, or `gallery` by its name; `key` is an API key.

    Use it in an `async with`, or close it.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        gallery: str | None = None,
        timeout: float | httpx.Timeout = TIMEOUT,
        retries: Retries = Retries(),  # noqa: B008 (frozen)
    ) -> None:
        self._base, self._retries = base_of(url, gallery), retries
        self._http = httpx.AsyncClient(base_url=self._base, headers=headers_of(key), timeout=timeout)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def search(
        self,
        query: str | None = None,
        *,
        text: str | None = None,
        image: Picture | None = None,
        like: int | str | None = None,
        **options: Unpack[SearchOptions],
    ) -> Results:
        """Search for a query as it is typed, words as they are, a picture, an item, or all together."""
        return await self._send(requests.search(query, text, image, like, options))

    async def hits(
        self, query: str | None = None, *, image: Picture | None = None, **options: Unpack[SearchOptions]
    ) -> AsyncIterator[Hit]:
        """Yield hits page after page, as far as they are wanted; `k` is the size of a page."""
        while True:
            found = await self.search(query, image=image, **options)
            for hit in found.hits:
                yield hit
            if found.next_page is None:
                return
            options["page"] = found.next_page

    async def add(self, items: Iterable[New], *, idempotency_key: str | None = None) -> Added:
        """Add texts and pictures under uris of one's own, or replace the items of these."""
        return await self._send(requests.add(items, idempotency_key))

    async def add_files(
        self,
        paths: Iterable[Path | str],
        metadata: Mapping[str, Scalar] = {},  # noqa: B006
        *,
        idempotency_key: str | None = None,
    ) -> Added:
        """Send picture files, each known by the SHA-256 of its bytes."""
        return await self._send(requests.add_files(paths, metadata, idempotency_key))

    async def ingest(
        self, items: Iterable[New], *, idempotency_key: str | None = None
    ) -> AsyncIterator[Outcome]:
        """Send any number of items in one stream, and yield what became of each, in their order.

        Items are made as they are sent. The stream is not sent again by itself.
        """
        async with self._stream(**stream_of(items, idempotency_key)) as lines:
            async for line in lines:
                outcome = became(line)
                if outcome is None:
                    return
                yield outcome
        raise cut_short(self._base)

    async def items(self, filter: str | None = None) -> AsyncIterator[Item]:
        """Yield the items that a filter allows, in the order they were first added."""
        cursor: str | None = None
        while True:
            page = await self._send(requests.items(filter, cursor))
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if cursor is None:
                return

    async def get(self, item_id: int) -> Item:
        """Look at one item."""
        return await self._send(requests.get(item_id))

    async def remove(self, item_id: int) -> None:
        """Remove one item; the picture file it came from stays."""
        await self._send(requests.remove(item_id))

    async def image(self, item_id: int) -> bytes:
        """Fetch the bytes of an item's picture file."""
        return await self._send(requests.image(item_id))

    async def thumbnail(self, item_id: int, size: int = 320) -> bytes:
        """Fetch an item's picture as WebP, its longer side at most `size` pixels."""
        return await self._send(requests.thumbnail(item_id, size))

    async def heat_map(self, item_id: int, query: str, word: str | None = None) -> bytes:
        """Fetch an item's picture as PNG, bright where a word of a query looked, or all of them."""
        return await self._send(requests.heat_map(item_id, query, word))

    async def caption(
        self,
        image: Picture | None = None,
        *,
        like: int | str | None = None,
        count: int = 1,
        nearest: int = 0,
    ) -> Captions:
        """Have a model say what a picture or an item shows, and people what items alike show."""
        return await self._send(telling.caption(image, like, count, nearest))

    async def ask(
        self, question: str, image: Picture | None = None, *, like: int | str | None = None
    ) -> Answer:
        """Have a model answer a question on a picture or an item."""
        return await self._send(telling.ask(question, image, like))

    async def facets(
        self,
        columns: Iterable[str],
        *,
        filter: str | None = None,
        query: str | None = None,
        first: int = 100,
        most: int = 20,
    ) -> Facets:
        """Count values: of all items, of those a filter allows, or of the `first` hits of a query."""
        return await self._send(facets.facets(columns, filter, query, first, most))

    async def recommend(
        self,
        history: Iterable[Event],
        *,
        k: int = 10,
        half_life: float | None = None,
        diversity: float | None = None,
        filter: str | None = None,
    ) -> Recommendation:
        """Ask what somebody may like next; an event counts half after `half_life` days."""
        return await self._send(recommending.recommend(history, k, half_life, diversity, filter))

    async def begin(self, query: str = "", *, filter: str | None = None, kind: Kind | None = None) -> Session:
        """Begin a conversation."""
        return await self._send(talking.begin(query, filter, kind))

    async def say(self, session_id: str, text: str, **options: Unpack[TurnOptions]) -> Turn:
        """Refine the query by what is said, and search."""
        return await self._send(talking.say(session_id, text, options))

    async def edit(
        self,
        session_id: str,
        query: str,
        *,
        filter: str | None = None,
        kind: Kind | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Set the query by hand, and search."""
        return await self._send(talking.edit(session_id, query, filter, kind, options))

    async def undo(self, session_id: str, **options: Unpack[TurnOptions]) -> Turn:
        """Take the last turn back, and search."""
        return await self._send(talking.undo(session_id, options))

    async def session(self, session_id: str) -> Session:
        """Look at a conversation."""
        return await self._send(talking.show(session_id))

    async def end(self, session_id: str) -> None:
        """End a conversation."""
        await self._send(talking.end(session_id))

    async def start_job(self, kind: JobKind, **asked: str | bool) -> Job:
        """Start long work: `ingest` of a `source`, `migrate` to a `model`, `reindex`; see docs/http.md."""
        return await self._send(jobs.start(kind, asked))

    async def jobs(self) -> tuple[Job, ...]:
        """List the jobs, the latest first."""
        return await self._send(jobs.listed())

    async def job(self, job_id: str) -> Job:
        """Look how a job stands."""
        return await self._send(jobs.show(job_id))

    async def cancel_job(self, job_id: str) -> Job:
        """Stop a job after the batch in hand."""
        return await self._send(jobs.cancel(job_id))

    async def follow(self, job_id: str) -> AsyncIterator[Job]:
        """Yield a job as it goes on, until it is over: the last one has its result."""
        async with self._stream(method="GET", url=jobs.events(job_id)) as lines:
            async for line in lines:
                told = jobs.heard(line)
                if told is not None:
                    yield told
                    if told.is_over:
                        return
        raise cut_short(self._base)

    async def info(self) -> Info:
        """Ask what the gallery holds."""
        return await self._send(requests.info())

    async def _send(self, call: Call[T]) -> T:
        tried = 0
        while True:
            failure: httpx.TransportError | None = None
            reply: httpx.Response | None = None
            try:
                reply = await self._http.request(**arguments_of(call))
            except httpx.TransportError as error:
                failure = error
            wait = self._retries.wait(tried, reply)
            if wait is None:
                break
            await asyncio.sleep(wait)
            tried += 1
        if reply is None:
            assert failure is not None
            raise unreachable(self._base, failure) from failure
        return read(call, reply)

    @asynccontextmanager
    async def _stream(self, **arguments: Any) -> AsyncIterator[AsyncIterator[str]]:
        if "content" in arguments:
            arguments["content"] = _awaited(arguments["content"])
        try:
            async with self._http.stream(**arguments) as reply:
                if not reply.is_success:
                    await reply.aread()
                    raise refused(reply)
                yield reply.aiter_lines()
        except httpx.TransportError as error:
            raise unreachable(self._base, error) from error


async def _awaited(lines: Iterable[bytes]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line
