"""Each request as a value: what is sent, and how the reply is read. Both clients send the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypedDict, TypeVar

import httpx

from api.client import replies
from api.client.replies import Added, Info, Item, Results, Scalar

T = TypeVar("T")
Picture: TypeAlias = bytes | Path | str  # a file's bytes, or its path


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to `path`, below /v1, and what makes a value of the reply."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    read: Callable[[httpx.Response], T]
    json: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None
    params: Mapping[str, int] = field(default_factory=dict)
    files: Sequence[tuple[str, tuple[str, bytes]]] = ()


class SearchOptions(TypedDict, total=False):
    """What a search may be told beside what it looks for; see docs/http.md."""

    image_url: str  # fetched by the service, where it is allowed to
    parts: list[dict[str, Any]]
    phrases: list[str]
    kind: Literal["image", "text"]
    filter: str
    k: int
    rerank: bool | dict[str, float]
    explain: bool
    group: bool
    diversity: float
    precision: float
    signals: dict[str, float]
    page: str


def search(
    query: str | None, text: str | None, image: Picture | None, like: int | str | None, options: SearchOptions
) -> Call[Results]:
    """Look for a query as it is typed, for words, for a picture, for an item, or for all of them together."""
    asked: dict[str, Any] = {"query": query, "text": text, "like": like}
    if image is not None:
        asked["image"] = base64.b64encode(_bytes(image)).decode()
    body = {name: value for name, value in asked.items() if value is not None} | dict(options)
    return Call("POST", "/search", lambda reply: replies.results(reply.json()), json=body)


def add_text(uri: str, text: str, metadata: Mapping[str, Scalar]) -> Call[Added]:
    """Add a text, or replace the item of that uri."""
    return _items([{"uri": uri, "kind": "text", "text": text, "metadata": dict(metadata)}])


def add_picture(uri: str, image: Picture, text: str | None, metadata: Mapping[str, Scalar]) -> Call[Added]:
    """Add a picture under a uri of one's own, with its caption if it has one."""
    encoded = base64.b64encode(_bytes(image)).decode()
    item = {"uri": uri, "kind": "image", "image": encoded, "text": text, "metadata": dict(metadata)}
    return _items([item])


def add_files(paths: Iterable[Path | str], metadata: Mapping[str, Scalar]) -> Call[Added]:
    """Send picture files, each known by the SHA-256 of its bytes."""
    files = [("files", (Path(path).name, Path(path).read_bytes())) for path in paths]
    data = {"metadata": json.dumps(dict(metadata))}
    return Call("POST", "/items", lambda reply: replies.added(reply.json()), data=data, files=files)


def get(item_id: int) -> Call[Item]:
    """Look at one item."""
    return Call("GET", f"/items/{int(item_id)}", lambda reply: replies.item(reply.json()))


def remove(item_id: int) -> Call[None]:
    """Remove one item."""
    return Call("DELETE", f"/items/{int(item_id)}", lambda reply: None)


def image(item_id: int) -> Call[bytes]:
    """Fetch the bytes of an item's picture file."""
    return Call("GET", f"/items/{int(item_id)}/image", lambda reply: reply.content)


def thumbnail(item_id: int, size: int) -> Call[bytes]:
    """Fetch an item's picture as WebP."""
    return Call("GET", f"/items/{int(item_id)}/thumbnail", lambda reply: reply.content, params={"size": size})


def info() -> Call[Info]:
    """Ask what the gallery holds."""
    return Call("GET", "/info", lambda reply: replies.info(reply.json()))


def _items(items: Sequence[Mapping[str, Any]]) -> Call[Added]:
    return Call("POST", "/items", lambda reply: replies.added(reply.json()), json={"items": list(items)})


def _bytes(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()
