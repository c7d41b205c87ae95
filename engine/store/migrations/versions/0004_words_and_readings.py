"""Words of names and tags beside those of captions, and apart from them the text read in pictures."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from engine.store.words import name_of, tags_of

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TOKENS = "tokenize = 'unicode61 remove_diacritics 2'"


def upgrade() -> None:
    op.add_column("items", sa.Column("reading", sa.Text()))
    op.execute("DROP TABLE words")
    op.execute(f"CREATE VIRTUAL TABLE words USING fts5(text, name, tags, {TOKENS})")
    op.execute(f"CREATE VIRTUAL TABLE readings USING fts5(text, {TOKENS})")
    connection = op.get_bind()
    for item_id, uri, text, metadata in connection.execute(
        sa.text("SELECT id, uri, text, metadata FROM items")
    ).all():
        connection.execute(
            sa.text("INSERT INTO words (rowid, text, name, tags) VALUES (:id, :text, :name, :tags)"),
            {"id": item_id, "text": text or "", "name": name_of(uri), "tags": tags_of(json.loads(metadata))},
        )
