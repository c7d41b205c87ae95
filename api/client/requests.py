"""What is asked of the service: each call is described here once, and sent by either client."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypedDict, TypeVar

from api.client import replies
from api.client.replies import Added, Info, Item, Page, Results, Scalar

T = TypeVar("T")
Picture: TypeAlias = bytes | Path | str  # a file's bytes, or its path
Kind: TypeAlias = Literal["image", "text"]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request to `path`, below /v1, and what makes a value of the reply's document."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    read: Callable[[Any], T]
    json: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None
    params: Mapping[str, int | str] = field(default_factory=dict)
    files: Sequence[tuple[str, tuple[str, bytes]]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    bare: bool = False  # the reply is bytes, and no document


@dataclass(frozen=True, slots=True)
class NewText:
    """A text to keep under a uri of one's own; adding it again replaces it."""

    uri: str
    text: str
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {"uri": self.uri, "kind": "text", "text": self.text, "metadata": dict(self.metadata)}


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture to keep under a uri of one's own, with its caption if it has one."""

    uri: str
    image: Picture
    text: str | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        told = {"text": self.text, "metadata": dict(self.metadata)}
        return {"uri": self.uri, "kind": "image", "image": encoded(self.image), **told}


New: TypeAlias = NewText | NewPicture


class SearchOptions(TypedDict, total=False):
    """What a search may be told beside what it looks for; see docs/http.md."""

    image_url: str  # fetched by the service, where it is allowed to
    parts: list[dict[str, Any]]
    phrases: list[str]
    kind: Kind
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
    asked: dict[str, Any] = {"query": query, "text": text, "like": like}
    if image is not None:
        asked["image"] = encoded(image)
    return Call("POST", "/search", replies.results, json=given(asked) | dict(options))


def add(items: Iterable[New], idempotency_key: str | None) -> Call[Added]:
    body = {"items": [item.document() for item in items]}
    return Call("POST", "/items", replies.added, json=body, headers=keyed(idempotency_key))


def add_files(
    paths: Iterable[Path | str], metadata: Mapping[str, Scalar], idempotency_key: str | None
) -> Call[Added]:
    files = [("files", (Path(path).name, Path(path).read_bytes())) for path in paths]
    data = {"metadata": json.dumps(dict(metadata))}
    headers = keyed(idempotency_key)
    return Call("POST", "/items", replies.added, data=data, files=files, headers=headers)


def lines_of(items: Iterable[New]) -> Iterator[bytes]:
    """Write each item as a line of the stream that `POST /v1/ingest` takes."""
    for item in items:
        yield json.dumps(item.document()).encode() + b"\n"


def items(filter: str | None, cursor: str | None) -> Call[Page]:
    return Call("GET", "/items", replies.page, params=given({"filter": filter, "cursor": cursor}))


def get(item_id: int) -> Call[Item]:
    return Call("GET", f"/items/{int(item_id)}", replies.item)


def remove(item_id: int) -> Call[None]:
    return Call("DELETE", f"/items/{int(item_id)}", nothing)


def image(item_id: int) -> Call[bytes]:
    return Call("GET", f"/items/{int(item_id)}/image", bytes, bare=True)


def thumbnail(item_id: int, size: int) -> Call[bytes]:
    return Call("GET", f"/items/{int(item_id)}/thumbnail", bytes, params={"size": size}, bare=True)


def heat_map(item_id: int, query: str, word: str | None) -> Call[bytes]:
    params = given({"query": query, "word": word})
    return Call("GET", f"/items/{int(item_id)}/heat-map", bytes, params=params, bare=True)


def info() -> Call[Info]:
    return Call("GET", "/info", replies.info)


def nothing(document: Any) -> None:
    """Read a reply that says no more than that it is done."""


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was left out."""
    return {name: value for name, value in fields.items() if value is not None}


def keyed(idempotency_key: str | None) -> dict[str, str]:
    """Return the head of a request that may be sent twice and is done once."""
    return {} if idempotency_key is None else {"idempotency-key": idempotency_key}


def encoded(picture: Picture) -> str:
    """Write a picture's bytes in base64."""
    data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
    return base64.b64encode(data).decode()
