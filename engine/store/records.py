"""Records on their way into the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session

from engine.store.models import Base, EmbeddingRow, ItemRow, ModelRow, StateRow
from engine.store.regions import write_regions
from engine.store.rows import Record, embedding_values, slices
from engine.types import Signal

# Written by table: through the mapped classes it takes several times as long.
ITEMS, EMBEDDINGS = (Base.metadata.tables[name] for name in ("items", "embeddings"))


def next_revision(session: Session) -> int:
    """Count one more committed change, and return its number."""
    counted = update(StateRow).values(revision=StateRow.revision + 1).returning(StateRow.revision)
    return session.scalars(counted).one()


def ids_of(session: Session, uris: Sequence[str]) -> dict[str, int]:
    """Return the ids of those uris that are there."""
    found: dict[str, int] = {}
    for some in slices(list(uris)):
        rows = session.execute(select(ItemRow.uri, ItemRow.id).where(ItemRow.uri.in_(some)))
        found.update((uri, item_id) for uri, item_id in rows)
    return found


def write_records(
    session: Session, records: Sequence[Record], known: dict[str, int], revision: int, model_id: int
) -> dict[str, int]:
    """Write records as new items, or in place of those `known` by uri; return the id of each uri.

    New embeddings replace those of every model, since those were made of what the item was before.
    """
    new = [_values(record, revision) for record in records if record.uri not in known]
    if new:
        session.execute(insert(ITEMS), new)
    ids = known | ids_of(session, [values["uri"] for values in new])  # RETURNING takes a statement a row
    for record in records:
        if record.uri in known:
            item_id = known[record.uri]
            session.execute(update(ITEMS).where(ITEMS.c.id == item_id).values(_values(record, revision)))
            signals = [signal.value for signal in record.embeddings]
            mine = EmbeddingRow.item_id == item_id
            session.execute(delete(EmbeddingRow).where(mine, EmbeddingRow.signal.in_(signals)))
    rows = [
        embedding_values(ids[record.uri], model_id, signal, encoded)
        for record in records
        for signal, encoded in record.embeddings.items()
        if encoded is not None
    ]
    if rows:
        session.execute(insert(EMBEDDINGS), rows)
    write_regions(session, {ids[record.uri]: record for record in records}, known.values())
    return ids


def _values(record: Record, revision: int) -> dict[str, Any]:
    return {
        "uri": record.uri,
        "kind": record.kind,
        "text": record.text,
        "picture": record.picture,
        "digest": record.digest,
        "size": record.size,
        "mtime_ns": record.mtime_ns,
        "metadata": record.metadata,
        "reading": record.reading,
        "detector": record.detector,
        "generated": record.generated,
        "revision": revision,
    }


def signals_of(session: Session, ids: Sequence[int], model_id: int) -> dict[int, frozenset[Signal]]:
    """Return the signals of which a model has vectors, and no damaged ones, by item."""
    found: dict[int, set[Signal]] = {item_id: set() for item_id in ids}
    for some in slices(ids):
        wanted = select(EmbeddingRow.item_id, EmbeddingRow.signal)
        wanted = wanted.where(EmbeddingRow.item_id.in_(some), EmbeddingRow.model_id == model_id, *whole())
        for item_id, signal in session.execute(wanted):
            found[item_id].add(Signal(signal))
    return {item_id: frozenset(signals) for item_id, signals in found.items()}


def whole() -> tuple[ColumnElement[bool], ...]:
    """Tell apart vectors that are damaged: of another length than the model's, or all zeros."""
    length = func.length(EmbeddingRow.vector)
    dim = select(ModelRow.dim).where(ModelRow.id == EmbeddingRow.model_id).scalar_subquery()
    return length == func.coalesce(4 * dim, length), EmbeddingRow.vector != func.zeroblob(length)
