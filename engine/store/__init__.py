"""Store: the gallery's truth. Items, their metadata and their vectors; the only place that knows SQL.

Every committed change raises the gallery's revision by one and is marked with it, so whatever is
derived from the store can ask for just what came after the revision it has.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from engine.errors import ItemNotFound
from engine.filters import Filter
from engine.store.conditions import condition
from engine.store.database import Askers, Watch, connect, storage_errors
from engine.store.facts import forget_facts, read_fields, read_types, write_facts
from engine.store.matching import Matching
from engine.store.models import EmbeddingRow, ItemRow, ModelRow, RemovalRow, StateRow
from engine.store.records import ids_of, next_revision, signals_of, write_records
from engine.store.regions import forget_regions
from engine.store.rows import Changes, Record, State, encoded_rows, read_items, scan, slices, to_record
from engine.store.twins import embeddings_of, looks, places_of, put_places, rename, uris_under
from engine.store.words import forget_words, write_words
from engine.types import Encoded, Fingerprint, Floats, Ids, Item, Signal


class Store:
    """A gallery's SQLite file; of its vectors, those of the model that is searched, or of one model."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._engine = connect(path, read_only=read_only)
        self._watch, self._askers = Watch(self._engine), Askers(self._engine)
        self._seen: tuple[int | None, State | None] | None = None  # the state at a version of the file
        self._model_id: int | None = None

    def of(self, model_id: int) -> Store:
        """Return this store with the vectors of one model, whichever is searched."""
        other = copy(self)
        other._model_id = model_id
        return other

    def close(self) -> None:
        self._watch.close()
        self._askers.close()
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read from one snapshot at a time; nobody waits for a reader."""
        with storage_errors(self.path), Session(self._engine) as session:
            yield session

    @contextmanager
    def asking(self) -> Iterator[sqlite3.Connection]:
        """Ask the driver itself, in what every search does: a session costs several times what it asks.

        Each statement sees what was committed before it.
        """
        with storage_errors(self.path), self._askers.one() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Write in one transaction, all or nothing; of two writers the second waits for the first."""
        with (
            storage_errors(self.path),
            Session(self._engine.execution_options(writes=True)) as session,
            session.begin(),
        ):
            yield session

    def model_id(self, session: Session) -> int:
        """Return the model whose vectors this store gives."""
        return self._model_id or session.scalars(select(StateRow.model_id)).one()

    def state(self) -> State | None:
        """Return the gallery's state, or `None` while it has none; read anew only after a commit."""
        version, seen = self._watch.version(), self._seen
        if seen is None or version is None or seen[0] != version:
            self._seen = seen = version, self._state()
        return seen[1]

    def _state(self) -> State | None:
        with self.reading() as session:
            model = (ModelRow.key, ModelRow.id, ModelRow.stamp)
            columns = (StateRow.gallery, *model, StateRow.revision, StateRow.previous_id)
            row = session.execute(select(*columns).join(ModelRow, StateRow.model_id == ModelRow.id)).first()
            return State(*row) if row else None

    def revision(self) -> int:
        """Return the revision of the last committed change."""
        state = self.state()
        return state.revision if state else 0

    def create(self, model: str) -> State:
        """Write the state of a new gallery, and return it."""
        with self.writing() as session:
            row = ModelRow(key=model)
            session.add(row)
            session.flush()
            state = State(str(uuid.uuid4()), model, row.id, None, 0)
            session.add(StateRow(id=1, gallery=state.gallery, model_id=row.id))
        return state

    def set_model(self, model: str) -> None:
        """Bind a gallery that has no vectors yet to another model."""
        with self.writing() as session:
            session.get_one(ModelRow, self.model_id(session)).key = model

    def stamp(self) -> str | None:
        """Return which weights the vectors of this store's model come from; `None` before the first."""
        with self.reading() as session:
            model = session.get(ModelRow, self.model_id(session))
            return model.stamp if model else None

    def set_stamp(self, stamp: str, dim: int) -> None:
        """Remember which weights the gallery's vectors come from, and how long they are."""
        with self.writing() as session:
            model = session.get_one(ModelRow, self.model_id(session))
            model.stamp, model.dim = stamp, dim

    def counts(self) -> dict[str, int]:
        """Count the items of each kind."""
        with self.reading() as session:
            rows = session.execute(select(ItemRow.kind, func.count()).group_by(ItemRow.kind))
            return {kind: count for kind, count in rows}

    def put(self, records: Sequence[Record], moved: Mapping[str, str] | None = None) -> None:
        """Write records with distinct uris, all or none; an item that is there keeps its id.

        `moved` names, by new uri, the old uri of items that are renamed first.
        """
        with self.writing() as session:
            revision = next_revision(session)
            rename(session, moved or {})
            known = ids_of(session, [record.uri for record in records])
            ids = write_records(session, records, known, revision, self.model_id(session))
            written = {ids[record.uri]: record for record in records}
            write_facts(session, {i: r.metadata for i, r in written.items()}, list(known.values()))
            write_words(session, written, list(known.values()))

    def put_places(self, places: Mapping[str, tuple[int, str]]) -> None:
        """Write (time in ns, place) of unchanged pictures by uri; no revision: nothing is made of it."""
        with self.writing() as session:
            put_places(session, places)

    def remove(self, uris: Sequence[str]) -> int:
        """Remove items, all or none; `ItemNotFound` names the first uri that is not there."""
        with self.writing() as session:
            ids = ids_of(session, uris)
            for uri in uris:
                if uri not in ids:
                    raise ItemNotFound(f"no item has the uri {uri}")
            revision = next_revision(session)
            for some in slices(sorted(ids.values())):
                session.execute(delete(EmbeddingRow).where(EmbeddingRow.item_id.in_(some)))
                forget_facts(session, some)
                forget_words(session, some)
                forget_regions(session, some)
                session.execute(delete(ItemRow).where(ItemRow.id.in_(some)))
                session.execute(insert(RemovalRow), [{"item_id": i, "revision": revision} for i in some])
            return len(ids)

    def known(self, uris: Sequence[str]) -> dict[str, Record]:
        """Return the records of those uris that are there, without their embeddings.

        Their signals are those of this store's model, so what it has not made is made when it is added again.
        """
        with self.reading() as session:
            rows = list(_rows(session, ItemRow.uri, list(uris)))
            signals = signals_of(session, [row.id for row in rows], self.model_id(session))
            return {row.uri: to_record(row, signals[row.id]) for row in rows}

    def items(
        self, ids: Sequence[int], locate: Callable[[str | None], Path | None] = lambda uri: None
    ) -> dict[int, tuple[Item, str | None]]:
        """Return items by id, each with the URI its picture is at; ids not there are left out.

        `locate` knows the path of a picture by its URI; where its picture lies is the gallery's to say.
        """
        with self.asking() as connection:
            return read_items(connection, ids, locate)

    def fingerprints(self, uris: Sequence[str]) -> dict[str, Fingerprint]:
        """Return what tells whether the source of an item has changed, of those uris that are there."""
        return {
            uri: Fingerprint(r.size, r.mtime_ns, r.digest, r.text, r.metadata, r.signals, r.detector)
            for uri, r in self.known(uris).items()
        }

    def places_of(self, digests: Iterable[str]) -> dict[str, list[tuple[str, str | None]]]:
        """Return uri and place of what has these contents, by digest, the oldest first."""
        with self.reading() as session:
            return places_of(session, digests)

    def embeddings_of(self, digests: Iterable[str]) -> dict[tuple[str, str], Encoded]:
        """Return what was made of these contents before, by (kind, digest)."""
        with self.reading() as session:
            return embeddings_of(session, digests, self.model_id(session))

    def looks(self, ids: Iterable[int], signal: Signal) -> dict[int, tuple[str, Floats]]:
        """Return digest and vector (dim,) of items; those without such a vector are left out."""
        with self.reading() as session:
            return looks(session, ids, signal, self.model_id(session))

    def uris_under(self, prefix: str) -> Iterator[Sequence[str]]:
        """Yield, in pages, the uris that start with `prefix`; they may be removed meanwhile."""
        after = ""
        while True:
            with self.reading() as session:
                page = uris_under(session, prefix, after)
            if not page:
                return
            yield page
            after = page[-1]

    def find(self, uri: str) -> int | None:
        """Return the id of an item by its uri."""
        with self.reading() as session:
            return session.scalar(select(ItemRow.id).where(ItemRow.uri == uri))

    def digest(self, item_id: int) -> str:
        """Return the SHA-256 of what an item was encoded from."""
        with self.reading() as session:
            digest = session.scalar(select(ItemRow.digest).where(ItemRow.id == item_id))
            if digest is None:
                raise ItemNotFound(f"no item has the id {item_id}")
            return digest

    def fields(self) -> dict[str, str]:
        """Return the type (number, text, boolean) of every metadata column, by name."""
        with self.reading() as session:
            return {name: kind for name, (_, kind) in read_fields(session).items()}

    def types(self, but: Sequence[str] = ()) -> dict[str, str]:
        """Return the types that columns must keep: those that other items have than the uris `but`."""
        with self.reading() as session:
            return read_types(session, but)

    def matching(self, tree: Filter) -> Ids:
        """Return the ids, ascending, of the items for which a filter holds."""
        with self.reading() as session:
            return np.flatnonzero(Matching(session).allowed(tree))

    def matching_among(self, tree: Filter, ids: Sequence[int]) -> Ids:
        """Return those of some ids for which a filter holds."""
        with self.reading() as session:
            holds = condition(tree, read_fields(session), few=True)
            found: list[int] = []
            for some in slices(ids):
                found += session.scalars(select(ItemRow.id).where(ItemRow.id.in_(some), holds))
            return np.array(found, dtype=np.int64)

    def count_among(self, ids: Sequence[int]) -> int:
        """Count those of some ids that there are."""
        with self.reading() as session:
            counted = (select(func.count()).where(ItemRow.id.in_(some)) for some in slices(ids))
            return sum(session.scalar(statement) or 0 for statement in counted)

    def embeddings(self, item_id: int) -> dict[Signal, Encoded]:
        """Return an item's embeddings (one row each), none when the item is not there."""
        with self.reading() as session:
            wanted = select(EmbeddingRow).where(EmbeddingRow.item_id == item_id)
            rows = session.scalars(wanted.where(EmbeddingRow.model_id == self.model_id(session)))
            return {Signal(row.signal): encoded_rows([row]) for row in rows}

    def back_up(self, target: Path) -> None:
        """Write a copy of the database as it is at one moment, while others go on writing to it."""
        with self.reading() as session, closing(sqlite3.connect(target)) as copy:
            source = session.connection().connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            session.rollback()  # the backup reads by itself
            source.backup(copy)

    @contextmanager
    def changes(self, since: int) -> Iterator[Changes]:
        """Read, from one consistent snapshot, all that came after a revision."""
        with self.reading() as session, session.begin():
            revision = session.scalar(select(StateRow.revision)) or 0
            gone = session.scalars(select(RemovalRow.item_id).where(RemovalRow.revision > since)).all()
            newer = select(ItemRow.id, ItemRow.kind).where(ItemRow.revision > since)
            written = [(item_id, kind) for item_id, kind in session.execute(newer)]
            removed = np.array(gone, dtype=np.int64)
            anew = np.array([item_id for item_id, _ in written], dtype=np.int64)
            yield Changes(revision, removed, anew, scan(session, written, self.model_id(session)))


def _rows(session: Session, column: Any, values: Sequence[Any]) -> Iterator[ItemRow]:
    for some in slices(values):
        yield from session.scalars(select(ItemRow).where(column.in_(some)))
