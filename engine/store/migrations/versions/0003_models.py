"""Vectors of several models beside each other: models, and embeddings by model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ITEM_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text()),
        sa.Column("dim", sa.Integer()),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO models (id, key, stamp, dim) "
        "SELECT 1, model, stamp, (SELECT length(vector) / 4 FROM embeddings LIMIT 1) FROM state"
    )
    op.rename_table("state", "old_state")
    op.create_table(
        "state",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("gallery", sa.String(36), nullable=False),
        sa.Column("model_id", sa.Integer(), sa.ForeignKey("models.id"), nullable=False),
        sa.Column("previous_id", sa.Integer(), sa.ForeignKey("models.id")),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "INSERT INTO state (id, gallery, model_id, revision) SELECT id, gallery, 1, revision FROM old_state"
    )
    op.drop_table("old_state")
    op.rename_table("embeddings", "old_embeddings")
    op.create_table(
        "embeddings",
        sa.Column("item_id", ITEM_ID, sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("signal", sa.String(16), primary_key=True),
        sa.Column("model_id", sa.Integer(), sa.ForeignKey("models.id"), primary_key=True),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.LargeBinary()),
        sa.Column("token_dim", sa.Integer()),
        sa.Column("length", sa.Integer()),
    )
    op.execute(
        "INSERT INTO embeddings "
        "SELECT item_id, signal, 1, vector, tokens, token_dim, length FROM old_embeddings"
    )
    op.drop_table("old_embeddings")
