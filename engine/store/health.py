"""What a store says of its own health."""

from __future__ import annotations

from sqlalchemy import func, or_, select, text

from engine.store import Store
from engine.store.models import EmbeddingRow, ItemRow
from engine.store.rows import slices, to_record
from engine.store.words import astray, write_words
from engine.types import Signal


def integrity(store: Store) -> list[str]:
    """Return what the database says is wrong with its file."""
    with store.reading() as session:
        lines: list[str] = [row[0] for row in session.execute(text("PRAGMA integrity_check"))]
        broken = session.execute(text("PRAGMA foreign_key_check")).all()
        return [line for line in lines if line != "ok"] + [f"a row without its item: {row}" for row in broken]


def without_embeddings(store: Store) -> list[tuple[int, str]]:
    """Return (id, uri) of the items that have no vector."""
    with store.reading() as session:
        have = select(EmbeddingRow.item_id).where(EmbeddingRow.model_id == store.model_id(session))
        found = select(ItemRow.id, ItemRow.uri).where(ItemRow.id.not_in(have))
        return [(item_id, uri) for item_id, uri in session.execute(found)]


def uncaptioned(store: Store) -> list[tuple[int, str]]:
    """Return (id, uri) of the pictures with a caption that has no vector."""
    with store.reading() as session:
        have = select(EmbeddingRow.item_id).where(
            EmbeddingRow.model_id == store.model_id(session), EmbeddingRow.signal == Signal.CAPTION.value
        )
        written = or_(func.trim(ItemRow.text) != "", func.trim(ItemRow.generated) != "")
        found = select(ItemRow.id, ItemRow.uri).where(ItemRow.kind == "image", written)
        return [(item_id, uri) for item_id, uri in session.execute(found.where(ItemRow.id.not_in(have)))]


def words_astray(store: Store) -> list[int]:
    """Return the items whose words are not laid out for search as the items have them."""
    with store.reading() as session:
        return astray(session)


def mend_words(store: Store) -> None:
    """Lay out anew the words that went astray."""
    with store.writing() as session:
        for some in slices(astray(session)):
            rows = session.scalars(select(ItemRow).where(ItemRow.id.in_(some)))
            write_words(session, {row.id: to_record(row, frozenset()) for row in rows}, some)


def pictures(store: Store, scheme: str) -> list[tuple[str, str, str]]:
    """Return (uri, picture, digest) of the items whose picture's URI has that scheme."""
    with store.reading() as session:
        found = select(ItemRow.uri, ItemRow.picture, ItemRow.digest)
        rows = session.execute(found.where(ItemRow.picture.startswith(scheme, autoescape=True)))
        return [(uri, picture or "", digest) for uri, picture, digest in rows]
