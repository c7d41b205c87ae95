"""Captions that a machine wrote, apart from those of people: with the items, and in the words searched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TOKENS = "tokenize = 'unicode61 remove_diacritics 2'"


def upgrade() -> None:
    op.add_column("items", sa.Column("generated", sa.Text()))
    op.execute("ALTER TABLE words RENAME TO before")
    op.execute(f"CREATE VIRTUAL TABLE words USING fts5(text, name, tags, generated, {TOKENS})")
    op.execute(
        "INSERT INTO words (rowid, text, name, tags, generated) "
        "SELECT rowid, text, name, tags, '' FROM before"
    )
    op.execute("DROP TABLE before")
