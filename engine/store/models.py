"""The tables, as SQLAlchemy models. Alembic's migrations make them; a test holds the two together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite hands out 64-bit row ids only for a column declared INTEGER.
ItemId = BigInteger().with_variant(Integer, "sqlite")


def said(text: str | None, generated: str | None) -> str:
    """Return people's words, or where there are none a machine's."""
    return text if text and text.strip() else generated or ""


class Base(DeclarativeBase):
    """Metadata of all tables."""


class ModelRow(Base):
    """A model that has made vectors of this gallery; the first vectors set its stamp and dimension."""

    __tablename__ = "models"
    __table_args__ = {"sqlite_autoincrement": True}  # an id is never used twice: files are named by it

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(Text)
    stamp: Mapped[str | None] = mapped_column(Text)  # a hash of its weights and preprocessing
    dim: Mapped[int | None]


class StateRow(Base):
    """One row: whose vectors are searched, whose were before, and how often the gallery has changed."""

    __tablename__ = "state"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    gallery: Mapped[str] = mapped_column(String(36))  # a UUID, so derived files can name their gallery
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))  # what a migration left
    revision: Mapped[int] = mapped_column(BigInteger, default=0)  # grows with every committed change


class ItemRow(Base):
    """An item; `revision` is the gallery's revision that wrote it last."""

    __tablename__ = "items"
    __table_args__ = {"sqlite_autoincrement": True}  # an id is never used twice

    id: Mapped[int] = mapped_column(ItemId, primary_key=True, autoincrement=True)
    uri: Mapped[str] = mapped_column(Text, unique=True)
    kind: Mapped[str] = mapped_column(String(8), index=True)
    text: Mapped[str | None] = mapped_column(Text)
    picture: Mapped[str | None] = mapped_column(Text)  # a file: URI, or upload:NAME
    digest: Mapped[str] = mapped_column(String(64), index=True)  # SHA-256 of what was encoded
    size: Mapped[int | None] = mapped_column(BigInteger)  # bytes of the file, when it was read
    mtime_ns: Mapped[int | None] = mapped_column(BigInteger)
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    reading: Mapped[str | None] = mapped_column(
        Text
    )  # what a machine read in the picture; NULL: it did not look
    detector: Mapped[str | None] = mapped_column(Text)  # what found its regions; NULL: nothing looked for any
    generated: Mapped[str | None] = mapped_column(Text)  # a caption that a machine wrote, for want of one
    revision: Mapped[int] = mapped_column(BigInteger, index=True)

    @property
    def said(self) -> str:
        """What the vector of its words is made of: people's, else a machine's."""
        return said(self.text, self.generated)


class EmbeddingRow(Base):
    """What one model's encoder made of one signal of an item.

    `vector` is dim little-endian float32; `tokens` is (T, D) int8, row-major, and `length` the
    number of its rows that are real.
    """

    __tablename__ = "embeddings"

    item_id: Mapped[int] = mapped_column(ItemId, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    signal: Mapped[str] = mapped_column(String(16), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    tokens: Mapped[bytes | None] = mapped_column(LargeBinary)
    token_dim: Mapped[int | None]
    length: Mapped[int | None]


class RegionRow(Base):
    """A region of a picture: a box in shares of it, what is there, and how sure that is.

    `feature` is 2,048 little-endian float16, or NULL; `place` counts from 0, the surest first.
    """

    __tablename__ = "regions"

    item_id: Mapped[int] = mapped_column(ItemId, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[float] = mapped_column(Float)
    y: Mapped[float] = mapped_column(Float)
    width: Mapped[float] = mapped_column(Float)
    height: Mapped[float] = mapped_column(Float)
    label: Mapped[str] = mapped_column(Text)
    score: Mapped[float] = mapped_column(Float)
    feature: Mapped[bytes | None] = mapped_column(LargeBinary)


class FieldRow(Base):
    """A column of the metadata, by its name, and the one type its values have."""

    __tablename__ = "fields"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    type: Mapped[str] = mapped_column(String(8))  # number, text or boolean


class FactRow(Base):
    """One value of one item's metadata, laid out for filters: derived from `items.metadata`.

    `number` holds numbers, and booleans as 0 and 1; `words` holds texts. Each index covers the query
    "which items have such a value", so a filter reads no item.
    """

    __tablename__ = "facts"
    __table_args__ = (
        Index("ix_facts_number", "field_id", "number", "item_id"),
        Index("ix_facts_words", "field_id", "words", "item_id"),
    )

    item_id: Mapped[int] = mapped_column(ItemId, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)
    field_id: Mapped[int] = mapped_column(ForeignKey("fields.id"), primary_key=True)
    number: Mapped[float | None] = mapped_column(Float)
    words: Mapped[str | None] = mapped_column(Text)


class RemovalRow(Base):
    """An id that is gone, and the revision that removed it."""

    __tablename__ = "removals"

    item_id: Mapped[int] = mapped_column(ItemId, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger, index=True)


class SessionRow(Base):
    """A conversation; `version` grows with every change, so that of two at once none is lost."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    version: Mapped[int]
    used: Mapped[float] = mapped_column(Float, index=True)  # seconds since 1970: when it was changed last
    state: Mapped[str] = mapped_column(Text)  # JSON, written and read by engine.dialogue
