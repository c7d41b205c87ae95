"""Metadata laid out for filters: which columns there are, of which type, and each item's values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from engine.store.models import Base, FactRow, FieldRow, ItemRow
from engine.store.rows import slices
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
    """Return (id, type) of every column, by name; also of those that items had once."""
    return {row.name: (row.id, row.type) for row in session.scalars(select(FieldRow))}


def read_types(session: Session, but: Sequence[str]) -> dict[str, str]:
    """Return the type of every column that items have, by name; the items of the uris `but` do not count."""
    uris = select(func.json_each(json.dumps(list(but))).table_valued("value").c.value)
    ids = select(ItemRow.id).where(ItemRow.uri.in_(uris))
    holds = exists().where(FactRow.field_id == FieldRow.id, FactRow.item_id.not_in(ids))
    return {name: kind for name, kind in session.execute(select(FieldRow.name, FieldRow.type).where(holds))}


def write_facts(session: Session, items: Mapping[int, Mapping[str, Scalar]], known: Sequence[int]) -> None:
    """Lay out the metadata of items by id; `known` are those that had some before.

    A column that no item has any more takes the type of its next value.
    """
    forget_facts(session, known)
    fields, types = read_fields(session), read_types(session, [])
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
            elif name not in types:
                session.execute(update(FieldRow).where(FieldRow.name == name).values(type=kind))
            types.setdefault(name, kind)
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
    for some in slices(ids):
        session.execute(delete(FactRow).where(FactRow.item_id.in_(some)))
