"""Regions of pictures, and the words that their labels are searched by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TOKENS = "tokenize = 'unicode61 remove_diacritics 2'"


def upgrade() -> None:
    op.add_column("items", sa.Column("detector", sa.Text()))
    op.create_table(
        "regions",
        sa.Column("item_id", sa.Integer(), sa.ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("place", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("x", "y", "width", "height")),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("feature", sa.LargeBinary()),
    )
    op.execute(f"CREATE VIRTUAL TABLE things USING fts5(text, {TOKENS})")
