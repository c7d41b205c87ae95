"""`Idempotency-Key`: a request that is sent again is answered as the first time, and done once.

The first answer is kept in a file, named by a hash of the key, of who asked, and of what for. The same key
with another body is refused, and so is one whose first request is still under way. An answer that was an
error is not kept: the request may be sent again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Request

from api.http.problems import Problem

HEADER = "Idempotency-Key"
REPLAYED = {"idempotency-replayed": "true"}


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer one request under its key, held until it is answered."""

    path: Path

    def earlier(self, digest: str) -> bytes | None:
        """Return the first answer to this very request, or `None` where there is none yet."""
        try:
            head, _, body = self.path.read_bytes().partition(b"\n")
            known = json.loads(head)["digest"]
        except (OSError, ValueError, KeyError):
            return None  # not there, or cut by a crash: then it is done again
        if known != digest:
            raise Problem(
                409,
                f"This {HEADER} was used for a request with another body; use a new key for each request",
                name="key-reused",
                title="The idempotency key belongs to another request",
            )
        return body

    def keep(self, digest: str, body: bytes) -> None:
        """Keep the answer for whoever asks again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        aside.write_bytes(json.dumps({"digest": digest}).encode() + b"\n" + body)
        aside.replace(self.path)


class Repeats:
    """The answers kept in a folder, each for so many hours."""

    def __init__(self, folder: Path, hours: float) -> None:
        self._folder = folder
        self._seconds = hours * 3600
        self._under_way: set[Path] = set()

    def claim(self, *parts: str) -> Claim:
        """Claim a key; `Problem` while another request with it is under way."""
        name = hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
        path = self._folder / name
        if path in self._under_way:
            raise Problem(
                409,
                f"A request with this {HEADER} is still under way; ask again in a moment",
                headers={"retry-after": "1"},
            )
        self._forget()
        self._under_way.add(path)
        return Claim(path)

    def release(self, claim: Claim) -> None:
        """Let the key be used again."""
        self._under_way.discard(claim.path)

    def _forget(self) -> None:
        oldest = time.time() - self._seconds
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path not in self._under_way and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


async def claimed(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=255,
            description="Any text. The same request sent again with it is answered as the first time.",
        ),
    ] = None,
) -> AsyncIterator[Claim | None]:
    """Claim the request's key, if it has one, until it is answered."""
    if key is None:
        yield None
        return
    repeats: Repeats = request.app.state.repeats
    claim = repeats.claim(key, str(request.scope.get("key")), request.url.path)
    try:
        yield claim
    finally:
        repeats.release(claim)


Claimed: TypeAlias = Annotated[Claim | None, Depends(claimed)]
