"""The client whose calls are awaited; it has the methods of `api.client.Client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar, Unpack

import httpx

from api.client import requests
from api.client.replies import Added, Hit, Info, Item, Results, Scalar
from api.client.requests import Call, Picture, SearchOptions
from api.client.sending import TIMEOUT, Retries, arguments_of, base_of, headers_of, read, unreachable

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

    async def add_text(self, uri: str, text: str, metadata: Mapping[str, Scalar] = {}) -> Added:  # noqa: B006
        """Add a text, or replace the item of that uri."""
        return await self._send(requests.add_text(uri, text, metadata))

    async def add_picture(
        self,
        uri: str,
        image: Picture,
        *,
        text: str | None = None,
        metadata: Mapping[str, Scalar] = {},  # noqa: B006
    ) -> Added:
        """Add a picture under a uri of one's own, with its caption if it has one."""
        return await self._send(requests.add_picture(uri, image, text, metadata))

    async def add_files(self, paths: Iterable[Path | str], metadata: Mapping[str, Scalar] = {}) -> Added:  # noqa: B006
        """Send picture files, each known by the SHA-256 of its bytes."""
        return await self._send(requests.add_files(paths, metadata))

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
