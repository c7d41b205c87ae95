"""First tables: state, items, embeddings, removals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ITEM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "state",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("gallery", sa.String(36), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text()),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "items",
        sa.Column("id", ITEM_ID, primary_key=True, autoincrement=True),
        sa.Column("uri", sa.Text(), nullable=False, unique=True),
        sa.Column("kind", sa.String(8), nullable=False, index=True),
        sa.Column("text", sa.Text()),
        sa.Column("picture", sa.Text()),
        sa.Column("digest", sa.String(64), nullable=False, index=True),
        sa.Column("size", sa.BigInteger()),
        sa.Column("mtime_ns", sa.BigInteger()),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, index=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "embeddings",
        sa.Column("item_id", ITEM_ID, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("signal", sa.String(16), primary_key=True),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.LargeBinary()),
        sa.Column("token_dim", sa.Integer()),
        sa.Column("length", sa.Integer()),
    )
    op.create_table(
        "removals",
        sa.Column("item_id", ITEM_ID, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, index=True),
    )
