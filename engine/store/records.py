"""Records on their way into the tables."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from engine.store.models import EmbeddingRow, ItemRow, ModelRow, StateRow
from engine.store.rows import Record, embedding_row, slices
from engine.types import Signal


def next_revision(session: Session) -> int:
    """Count one more committed change, and return its number."""
    state = session.get_one(StateRow, 1)
    state.revision += 1
    return state.revision


def ids_of(session: Session, uris: Sequence[str]) -> dict[str, int]:
    """Return the ids of those uris that are there."""
    found: dict[str, int] = {}
    for some in slices(list(uris)):
        rows = session.execute(select(ItemRow.uri, ItemRow.id).where(ItemRow.uri.in_(some)))
        found.update((uri, item_id) for uri, item_id in rows)
    return found


def write_record(session: Session, record: Record, item_id: int | None, revision: int, model_id: int) -> int:
    """Write a record as a new item, or in place of one, and return its id.

    New embeddings replace those of every model, since those were made of what the item was before.
    """
    values = {
        "uri": record.uri,
        "kind": record.kind,
        "text": record.text,
        "picture": record.picture,
        "digest": record.digest,
        "size": record.size,
        "mtime_ns": record.mtime_ns,
        "details": record.metadata,
        "reading": record.reading,
        "revision": revision,
    }
    if item_id is None:
        row = ItemRow(**values)
        session.add(row)
        session.flush()
        item_id = row.id
    else:
        session.execute(update(ItemRow).where(ItemRow.id == item_id).values(values))
    for signal, encoded in record.embeddings.items():
        old = delete(EmbeddingRow).where(EmbeddingRow.item_id == item_id, EmbeddingRow.signal == signal.value)
        session.execute(old)
        if encoded is not None:
            session.add(embedding_row(item_id, model_id, signal, encoded))
    return item_id


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
