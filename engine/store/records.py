"""Records on their way into the tables."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from engine.store.models import EmbeddingRow, ItemRow, StateRow
from engine.store.rows import Record, embedding_row, slices


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
        "revision": revision,
    }
    if item_id is None:
        row = ItemRow(**values)
        session.add(row)
        session.flush()
        item_id = row.id
    else:
        session.execute(update(ItemRow).where(ItemRow.id == item_id).values(values))
    if record.embeddings is not None:
        session.execute(delete(EmbeddingRow).where(EmbeddingRow.item_id == item_id))
        session.add_all(embedding_row(item_id, model_id, *pair) for pair in record.embeddings.items())
    return item_id
