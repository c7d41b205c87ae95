"""Adding items through a request, and telling what became of each one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool

from api.documents import Document
from api.http.bodies import Upload
from api.http.fetching import Fetcher
from api.http.schemas import ImageItem, ItemsRequest, TextItem
from api.http.state import Service
from engine import BadInput, Item, ItemNotFound, Outcome, SearchEngine

STATUSES = ("added", "updated", "unchanged", "failed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request wants added: items, the file name of each, and which have failed, by their place."""

    items: Sequence[Item]
    names: Sequence[str | None]
    failed: Mapping[int, Outcome] = field(default_factory=dict)


def described(wanted: Sequence[TextItem | ImageItem], fetcher: Fetcher) -> Wanted:
    """Take the items that JSON describes; one whose picture cannot be fetched fails alone."""
    items: list[Item] = []
    failed: dict[int, Outcome] = {}
    for place, one in enumerate(wanted):
        try:
            items.append(_item(one, fetcher))
        except BadInput as error:
            failed[place] = Outcome(one.uri, "failed", str(error))
    return Wanted(items, [None] * len(wanted), failed)


def uploaded(uploads: Sequence[Upload]) -> Wanted:
    """Take the picture files of a form, each known by the SHA-256 of its bytes."""
    items = []
    for upload in uploads:
        metadata = {"name": upload.name, **upload.metadata} if upload.name else upload.metadata
        uri = f"sha256:{hashlib.sha256(upload.data).hexdigest()}"
        items.append(Item(uri, picture=upload.data, metadata=metadata))
    return Wanted(items, [upload.name for upload in uploads])


async def add(service: Service, wanted: Wanted) -> Document:
    """Add items, and tell of each in the request's order, and how many there were of each kind."""
    added = await service.add(wanted.items) if wanted.items else []
    return await run_in_threadpool(_told, service.engine, wanted, added)


def _told(engine: SearchEngine, wanted: Wanted, added: Sequence[Outcome]) -> Document:
    following = iter(added)
    places = range(len(wanted.names))
    outcomes = [wanted.failed[place] if place in wanted.failed else next(following) for place in places]
    counts = Counter(_status(outcome) for outcome in outcomes)
    told = [_document(engine, outcome, name) for outcome, name in zip(outcomes, wanted.names, strict=True)]
    return {"items": told, **{status: counts[status] for status in STATUSES}}


def digest_of(wanted: ItemsRequest | Sequence[Upload]) -> str:
    """Hash what a request wants added, however its body was written."""
    digest = hashlib.sha256()
    for one in wanted.items if isinstance(wanted, ItemsRequest) else wanted:
        digest.update(hashlib.sha256(repr(one).encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


def _item(described: TextItem | ImageItem, fetcher: Fetcher) -> Item:
    if isinstance(described, TextItem):
        return Item(described.uri, "text", text=described.text, metadata=described.metadata)
    picture = described.image
    if described.image_url is not None:
        picture = fetcher.fetch(described.image_url)
    return Item(described.uri, text=described.text, picture=picture, metadata=described.metadata)


def _document(engine: SearchEngine, outcome: Outcome, name: str | None) -> Document:
    document: Document = {
        "uri": outcome.uri,
        "id": _id(engine, outcome.uri),
        "status": _status(outcome),
        "reason": outcome.reason or None,
    }
    return document if name is None else {**document, "name": name}


def _status(outcome: Outcome) -> str:
    # A new uri for a file that has moved: to whoever asks for that uri, it is an item that was not there.
    return "added" if outcome.status == "moved" else outcome.status


def _id(engine: SearchEngine, uri: str) -> int | None:
    try:
        return engine.find(uri).id
    except ItemNotFound:
        return None
