"""Metadata laid out for filters (fields, facts), and full text over the items' words (words)."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ITEM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "fields",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("type", sa.String(8), nullable=False),
    )
    op.create_table(
        "facts",
        sa.Column("item_id", ITEM_ID, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("field_id", sa.Integer(), sa.ForeignKey("fields.id"), primary_key=True),
        sa.Column("number", sa.Float()),
        sa.Column("words", sa.Text()),
    )
    op.create_index("ix_facts_number", "facts", ["field_id", "number", "item_id"])
    op.create_index("ix_facts_words", "facts", ["field_id", "words", "item_id"])
    op.execute("CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')")
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Lay out what an older gallery holds; of a column with values of two types the first type wins."""
    fields: dict[str, tuple[int, str]] = {}
    rows = connection.execute(sa.text("SELECT id, text, metadata FROM items ORDER BY id")).all()
    for item_id, text, metadata in rows:
        if text is not None:
            connection.execute(
                sa.text("INSERT INTO words (rowid, text) VALUES (:id, :text)"), {"id": item_id, "text": text}
            )
        for name, value in json.loads(metadata).items():
            if value is None:
                continue
            kind = "text" if isinstance(value, str) else "boolean" if isinstance(value, bool) else "number"
            if name not in fields:
                fields[name] = (len(fields) + 1, kind)
                connection.execute(
                    sa.text("INSERT INTO fields (id, name, type) VALUES (:id, :name, :type)"),
                    {"id": fields[name][0], "name": name, "type": kind},
                )
            field_id, known = fields[name]
            if known == kind:
                connection.execute(
                    sa.text("INSERT INTO facts VALUES (:item, :field, :number, :words)"),
                    {
                        "item": item_id,
                        "field": field_id,
                        "number": None if kind == "text" else float(value),
                        "words": value if kind == "text" else None,
                    },
                )
