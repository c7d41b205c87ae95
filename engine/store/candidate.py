"""A model whose vectors are made beside those that are searched, until the two are exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from engine.store import Store
from engine.store.models import EmbeddingRow, ItemRow, ModelRow, StateRow
from engine.store.records import next_revision
from engine.store.rows import embedding_values
from engine.types import Encoded, Kind, Signal

DROP_IDS = 5_000  # the vectors of so many ids are dropped in one transaction
SPREAD = ItemRow.id * 2_654_435_761 % 2**32  # Knuth's multiplicative hash
Searched = aliased(EmbeddingRow)
Made = aliased(EmbeddingRow)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A vector to be made: of one signal of an item, as the item was when it was asked for."""

    item_id: int
    signal: Signal
    uri: str
    text: str
    picture: str | None
    digest: str
    pixels: int


class Candidate:
    """One model of a gallery, seen as the one to be searched next."""

    def __init__(self, store: Store, model_id: int) -> None:
        self.model_id = model_id
        self._store = store

    @classmethod
    def of_model(cls, store: Store, key: str, stamp: str, dim: int) -> Candidate:
        """Find the candidate of these weights, or make it."""
        with store.writing() as session:
            same = select(ModelRow.id).where(ModelRow.key == key, ModelRow.stamp == stamp)
            model_id = session.scalar(same)
            if model_id is None:
                row = ModelRow(key=key, stamp=stamp, dim=dim)
                session.add(row)
                session.flush()
                model_id = row.id
        return cls(store, model_id)

    def described(self) -> tuple[str, str | None]:
        """Return the model's key and stamp."""
        with self._store.reading() as session:
            row = session.get_one(ModelRow, self.model_id)
            return row.key, row.stamp

    def count(self) -> tuple[int, int]:
        """Count the vectors that there are to be, and those of them that there are."""
        with self._store.reading() as session:
            searched = EmbeddingRow.model_id == self._searched(session)
            total = session.scalar(select(func.count()).select_from(EmbeddingRow).where(searched)) or 0
            return total, total - self._lacking(session)

    def wanted(self, after: Wanted | None, limit: int) -> list[Wanted]:
        """Return, in order of id and signal, vectors that the searched model has and this one lacks."""
        with self._store.reading() as session:
            columns = (ItemRow, Searched.signal)
            found = self._gap(select(*columns), self._searched(session))
            if after is not None:
                place = tuple_(Searched.item_id, Searched.signal)
                found = found.where(place > tuple_(after.item_id, after.signal.value))
            rows = session.execute(found.order_by(Searched.item_id, Searched.signal).limit(limit))
            return [_wanted(item, Signal(signal)) for item, signal in rows]

    def keep(self, made: Sequence[tuple[Wanted, Encoded]]) -> None:
        """Write vectors; those whose item has changed or gone meanwhile are left out."""
        with self._store.writing() as session:
            ids = [wanted.item_id for wanted, _ in made]
            rows = session.scalars(select(ItemRow).where(ItemRow.id.in_(ids)))
            now = {row.id: (row.digest, row.said) for row in rows}
            for wanted, encoded in made:
                if now.get(wanted.item_id) == (wanted.digest, wanted.text):
                    values = embedding_values(wanted.item_id, self.model_id, wanted.signal, encoded)
                    session.merge(EmbeddingRow(**values))

    def switch(self, *, allow_lacking: bool) -> bool:
        """Make this the model that is searched, in one transaction; `False` where it lacks a vector."""
        with self._store.writing() as session:
            if not allow_lacking and self._lacking(session):
                return False
            state = session.get_one(StateRow, 1)
            state.previous_id, state.model_id = state.model_id, self.model_id
            next_revision(session)
            return True

    def drop(self) -> int:
        """Forget this model and its vectors, in transactions of bounded size; return how many there were."""
        with self._store.writing() as session:
            state = session.get_one(StateRow, 1)
            assert state.model_id != self.model_id, "the model that is searched is never dropped"
            if state.previous_id == self.model_id:
                state.previous_id = None
            last = session.scalar(select(func.max(ItemRow.id))) or 0
        dropped = 0
        for first in range(0, last + 1, DROP_IDS):
            with self._store.writing() as session:
                some = EmbeddingRow.item_id.between(first, first + DROP_IDS - 1)
                gone = session.execute(
                    delete(EmbeddingRow).where(some, EmbeddingRow.model_id == self.model_id)
                )
                dropped += gone.rowcount  # type: ignore[attr-defined]
        with self._store.writing() as session:
            session.execute(delete(ModelRow).where(ModelRow.id == self.model_id))
        return dropped

    def _searched(self, session: Session) -> int:
        return session.get_one(StateRow, 1).model_id

    def _lacking(self, session: Session) -> int:
        return session.scalar(self._gap(select(func.count()), self._searched(session))) or 0

    def _gap(self, chosen: Any, searched: int) -> Any:
        same: ColumnElement[bool] = and_(
            Made.item_id == Searched.item_id,
            Made.signal == Searched.signal,
            Made.model_id == self.model_id,
        )
        return (
            chosen.select_from(Searched)
            .join(ItemRow, ItemRow.id == Searched.item_id)
            .outerjoin(Made, same)
            .where(Searched.model_id == searched, Made.item_id.is_(None))
        )


def candidates(store: Store) -> list[Candidate]:
    """Return every model of the gallery but the one that is searched."""
    with store.reading() as session:
        ids = session.scalars(select(ModelRow.id).where(ModelRow.id != session.get_one(StateRow, 1).model_id))
        return [Candidate(store, model_id) for model_id in ids]


def sample_texts(store: Store, kind: Kind, count: int) -> list[tuple[int, str]]:
    """Return (id, text) of up to `count` items of a kind that have one, the same ones each time."""
    with store.reading() as session:
        wanted = select(ItemRow.id, ItemRow.text).where(ItemRow.kind == kind, ItemRow.text.is_not(None))
        return [(i, words or "") for i, words in session.execute(wanted.order_by(SPREAD).limit(count))]


def sample_ids(store: Store, kind: Kind, count: int) -> list[int]:
    """Return up to `count` items of a kind, the same ones each time."""
    with store.reading() as session:
        wanted = select(ItemRow.id).where(ItemRow.kind == kind).order_by(SPREAD).limit(count)
        return list(session.scalars(wanted))


def _wanted(item: ItemRow, signal: Signal) -> Wanted:
    pixels = item.details["width"] * item.details["height"] if signal is Signal.VISUAL else 0
    return Wanted(item.id, signal, item.uri, item.said, item.picture, item.digest, pixels)
