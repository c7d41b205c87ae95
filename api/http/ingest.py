"""Adding items through a request, and telling what became of each one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from api.documents import Document
from api.http.bodies import Upload
from api.http.schemas import ImageItem, TextItem
from engine import Item, ItemNotFound, Report, SearchEngine

STATUSES = ("added", "updated", "unchanged", "failed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a request; `name` is an upload's file name."""

    uri: str
    id: int | None
    status: str
    reason: str | None = None
    name: str | None = None


def add_items(engine: SearchEngine, wanted: Sequence[TextItem | ImageItem]) -> Document:
    """Add the items that a JSON request describes."""
    return _reply(_add(engine, [_item(described) for described in wanted]))


def add_uploads(engine: SearchEngine, uploads: Sequence[Upload]) -> Document:
    """Add the picture files of a form, each known by the SHA-256 of its bytes."""
    items = []
    for upload in uploads:
        metadata = {"name": upload.name, **upload.metadata} if upload.name else upload.metadata
        uri = f"sha256:{hashlib.sha256(upload.data).hexdigest()}"
        items.append(Item(uri, picture=upload.data, metadata=metadata))
    outcomes = _add(engine, items)
    return _reply([replace(o, name=u.name) for o, u in zip(outcomes, uploads, strict=True)])


def _item(described: TextItem | ImageItem) -> Item:
    if isinstance(described, TextItem):
        return Item(described.uri, "text", text=described.text, metadata=described.metadata)
    return Item(described.uri, text=described.text, picture=described.image, metadata=described.metadata)


def _add(engine: SearchEngine, items: Sequence[Item]) -> list[Outcome]:
    """Add new items in one go and known ones one at a time.

    A report counts what was added, updated and left alone without naming it; when a known item is
    added alone, the counts speak of that item.
    """
    before = {item.uri: _id(engine, item.uri) for item in items}
    fresh: dict[str, int] = {}
    for place, item in enumerate(items):
        if before[item.uri] is None:
            fresh.setdefault(item.uri, place)
    report = engine.add([items[place] for place in fresh.values()]) if fresh else Report()
    outcomes = []
    for place, item in enumerate(items):
        alone = fresh.get(item.uri) != place
        status, reason = _status(item.uri, engine.add([item]) if alone else report, alone)
        outcomes.append(Outcome(item.uri, _id(engine, item.uri), status, reason))
    return outcomes


def _status(uri: str, report: Report, alone: bool) -> tuple[str, str | None]:
    if uri in report.failed:
        return "failed", report.failed[uri]
    if not alone or report.added:
        return "added", None
    return ("updated" if report.updated else "unchanged"), None


def _id(engine: SearchEngine, uri: str) -> int | None:
    try:
        return engine.find(uri).id
    except ItemNotFound:
        return None


def _reply(outcomes: Sequence[Outcome]) -> Document:
    counts: Mapping[str, int] = Counter(outcome.status for outcome in outcomes)
    return {
        "items": [_document(outcome) for outcome in outcomes],
        **{status: counts[status] for status in STATUSES},
    }


def _document(outcome: Outcome) -> Document:
    document: Document = {
        "uri": outcome.uri,
        "id": outcome.id,
        "status": outcome.status,
        "reason": outcome.reason,
    }
    return document if outcome.name is None else {**document, "name": outcome.name}
