"""Adding items through a request, and telling what became of each one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from api.documents import Document
from api.http.bodies import Upload
from api.http.schemas import ImageItem, ItemsRequest, TextItem
from engine import Item, ItemNotFound, Outcome, SearchEngine

BATCH = 8  # encoded at once: searches wait for no more than so many pictures
STATUSES = ("added", "updated", "unchanged", "failed")


def add_items(engine: SearchEngine, wanted: Sequence[TextItem | ImageItem]) -> Document:
    """Add the items that a JSON request describes."""
    return _add(engine, [_item(described) for described in wanted], [None] * len(wanted))


def add_uploads(engine: SearchEngine, uploads: Sequence[Upload]) -> Document:
    """Add the picture files of a form, each known by the SHA-256 of its bytes."""
    items = []
    for upload in uploads:
        metadata = {"name": upload.name, **upload.metadata} if upload.name else upload.metadata
        uri = f"sha256:{hashlib.sha256(upload.data).hexdigest()}"
        items.append(Item(uri, picture=upload.data, metadata=metadata))
    return _add(engine, items, [upload.name for upload in uploads])


def digest_of(wanted: ItemsRequest | Sequence[Upload]) -> str:
    """Hash what a request wants added, however its body was written."""
    digest = hashlib.sha256()
    for one in wanted.items if isinstance(wanted, ItemsRequest) else wanted:
        digest.update(hashlib.sha256(repr(one).encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


def _item(described: TextItem | ImageItem) -> Item:
    if isinstance(described, TextItem):
        return Item(described.uri, "text", text=described.text, metadata=described.metadata)
    return Item(described.uri, text=described.text, picture=described.image, metadata=described.metadata)


def _add(engine: SearchEngine, items: Sequence[Item], names: Sequence[str | None]) -> Document:
    outcomes: list[Outcome] = []
    engine.add(items, batch_size=BATCH, each=outcomes.append)
    counts = Counter(_status(outcome) for outcome in outcomes)
    told = [_document(engine, outcome, name) for outcome, name in zip(outcomes, names, strict=True)]
    return {"items": told, **{status: counts[status] for status in STATUSES}}


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
