"""How both clients send: where to, how often again, and what an error becomes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from api.client.errors import KINDS, ServiceError, Unreachable
from api.client.replies import Outcome, outcome
from api.client.requests import Call, New, keyed, lines_of

T = TypeVar("T")
AGAIN = (429, 503)
TIMEOUT = httpx.Timeout(60, connect=5)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is sent again after 429, 503 or a broken connection, and after how long (seconds).

    The service's `Retry-After` comes first, up to `longest`; else each wait is twice the one before, less a
    share by chance. Sending again is safe: adding an item again replaces it.
    """

    count: int = 3
    first: float = 0.5
    longest: float = 30.0

    def wait(self, tried: int, reply: httpx.Response | None) -> float | None:
        """Return how long to wait before the next try, `None` for no more."""
        if tried >= self.count or (reply is not None and reply.status_code not in AGAIN):
            return None
        asked = None if reply is None else reply.headers.get("retry-after", "")
        if asked and asked.isdecimal():
            return None if int(asked) > self.longest else float(asked)
        return float(min(self.longest, self.first * 2**tried) * random.uniform(0.5, 1))


def base_of(url: str, gallery: str | None) -> str:
    """Return the address of the first gallery, or of one by its name."""
    base = f"{url.rstrip('/')}/v1"
    return base if gallery is None else f"{base}/galleries/{quote(gallery, safe='')}"


def headers_of(key: str | None) -> dict[str, str]:
    """Return the head of every request."""
    return {} if key is None else {"authorization": f"Bearer {key}"}


def arguments_of(call: Call[Any]) -> dict[str, Any]:
    """Return what httpx is told of a request."""
    arguments: dict[str, Any] = {"method": call.method, "url": call.path}
    arguments |= {"params": dict(call.params), "headers": dict(call.headers)}
    if call.json is not None:
        arguments["json"] = call.json
    if call.files:
        arguments |= {"files": list(call.files), "data": call.data}
    return arguments


def read(call: Call[T], reply: httpx.Response) -> T:
    """Make a value of a reply, or raise what it says."""
    if not reply.is_success:
        raise refused(reply)
    return call.read(reply.content if call.bare else reply.json() if reply.content else None)


def refused(reply: httpx.Response) -> ServiceError:
    """Make an error of a reply that is one; its body has been read."""
    try:
        problem = reply.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": reply.reason_phrase, "detail": reply.text[:200]}
    return _error(reply.status_code, problem)


def stream_of(items: Iterable[New], idempotency_key: str | None) -> dict[str, Any]:
    """Return what httpx is told of a stream of items; each is made when its turn comes."""
    head = {"content-type": "application/x-ndjson", **keyed(idempotency_key)}
    return {"method": "POST", "url": "/ingest", "content": lines_of(items), "headers": head}


def became(line: str) -> Outcome | None:
    """Read a line of what became of a stream: `None` at its end, the error where it could not go on."""
    document = json.loads(line)
    if "error" in document:
        raise _error(document["error"]["status"], document["error"])
    return None if document.get("done") else outcome(document)


def _error(status: int, problem: Mapping[str, Any]) -> ServiceError:
    return KINDS.get(status, ServiceError)(status, problem)


def unreachable(base: str, error: httpx.TransportError) -> Unreachable:
    """Say that no answer came."""
    reason = str(error) or type(error).__name__
    return Unreachable(f"no answer from {base}: {reason}; is `crosslight serve` running there?")


def cut_short(base: str) -> Unreachable:
    """Say that a stream ended before it was over."""
    return Unreachable(f"{base} went away before it had told of everything; what it told of is done")
