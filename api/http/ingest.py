"""Adding items through a request, and telling what became of each one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from api.documents import Document
from api.http.bodies import Upload
from api.http.schemas import ImageItem, TextItem
from engine import Item, SearchEngine
from engine.errors import BadInput, ItemNotFound
from engine.pictures import file_uri
from engine.types import Report


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a request; `name` is an upload's file name."""

    uri: str | None
    status: str = "failed"
    id: int | None = None
    reason: str | None = None
    name: str | None = None


def add_items(engine: SearchEngine, wanted: Sequence[TextItem | ImageItem]) -> Document:
    """Add the items that a JSON request describes."""
    prepared: list[Item | Outcome] = []
    for item in wanted:
        if isinstance(item, TextItem):
            prepared.append(Item(item.uri, "text", text=item.text, metadata=item.metadata))
            continue
        try:
            path = engine.put_upload(item.image)
        except BadInput as error:
            prepared.append(Outcome(item.uri, reason=str(error)))
        else:
            prepared.append(Item(item.uri, text=item.text, picture=path, metadata=item.metadata))
    return _reply(_add(engine, prepared))


def add_uploads(engine: SearchEngine, uploads: Sequence[Upload]) -> Document:
    """Add the picture files of a form; each is known by where the gallery keeps it."""
    prepared: list[Item | Outcome] = []
    for upload in uploads:
        try:
            path = engine.put_upload(upload.data)
        except BadInput as error:
            prepared.append(Outcome(None, reason=str(error)))
        else:
            metadata = {"name": upload.name, **upload.metadata} if upload.name else upload.metadata
            prepared.append(Item(file_uri(path), picture=path, metadata=metadata))
    outcomes = _add(engine, prepared)
    return _reply([replace(o, name=u.name) for o, u in zip(outcomes, uploads, strict=True)])


def _add(engine: SearchEngine, prepared: Sequence[Item | Outcome]) -> list[Outcome]:
    """Add new items in one go and known ones one at a time.

    A report counts and does not name what it added, updated or left; adding a known item alone
    makes its counts speak of that item.
    """
    fresh: dict[str, Item] = {}
    known: list[tuple[int, Item]] = []
    for place, item in enumerate(prepared):
        if isinstance(item, Outcome):
            continue
        if item.uri in fresh or _id(engine, item.uri) is not None:
            known.append((place, item))
        else:
            fresh[item.uri] = item
    report = engine.add(list(fresh.values())) if fresh else Report()
    again = {place: _status(item, engine.add([item])) for place, item in known}
    outcomes = []
    for place, item in enumerate(prepared):
        if isinstance(item, Outcome):
            outcomes.append(item)
            continue
        status, reason = again[place] if place in again else _status(item, report, batch=True)
        outcomes.append(Outcome(item.uri, status, _id(engine, item.uri), reason))
    return outcomes


def _status(item: Item, report: Report, *, batch: bool = False) -> tuple[str, str | None]:
    if item.uri in report.failed:
        return "failed", report.failed[item.uri]
    if batch or report.added:
        return "added", None
    return ("updated" if report.updated else "unchanged"), None


def _id(engine: SearchEngine, uri: str) -> int | None:
    try:
        return engine.find(uri).id
    except ItemNotFound:
        return None


def _reply(outcomes: Sequence[Outcome]) -> Document:
    counts = dict.fromkeys(("added", "updated", "unchanged", "failed"), 0)
    listed = []
    for outcome in outcomes:
        counts[outcome.status] += 1
        document: Document = {
            "uri": outcome.uri,
            "id": outcome.id,
            "status": outcome.status,
            "reason": outcome.reason,
        }
        if outcome.name is not None:
            document["name"] = outcome.name
        listed.append(document)
    return {"items": listed, **counts}
