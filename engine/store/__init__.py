"""Store: the gallery's truth. Items, their metadata and their vectors; the only place that knows SQL.

Every committed change raises the gallery's revision by one and is marked with it, so whatever is
derived from the store can ask for just what came after the revision it has.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from engine.errors import ItemNotFound
from engine.filters import Filter
from engine.store.conditions import condition
from engine.store.database import connect, storage_errors
from engine.store.facts import forget_facts, read_fields, write_facts
from engine.store.models import EmbeddingRow, ItemRow, RemovalRow, StateRow
from engine.store.rows import Record, State, embedding_row, encoded_rows, slices, to_item, to_record
from engine.store.twins import embeddings_of, files_of, looks, rename, uris_under
from engine.types import Encoded, Fingerprint, Floats, Ids, Item, Signal

SCAN_ROWS = 1000  # rows read at a time when the index is brought up to date


@dataclass(frozen=True, slots=True)
class Changes:
    """What one transaction saw after a revision: ids gone, then embeddings in batches."""

    revision: int
    removed: Ids
    embeddings: Iterator[tuple[Ids, Signal, Encoded]]


class Store:
    """A gallery's SQLite file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._engine = connect(path, read_only=read_only)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with storage_errors(self.path), Session(self._engine) as session:
            yield session

    def state(self) -> State | None:
        """Return the gallery's state, or `None` while it has none."""
        with self._session() as session:
            row = session.get(StateRow, 1)
            return State(row.gallery, row.model, row.stamp, row.revision) if row else None

    def revision(self) -> int:
        """Return the revision of the last committed change."""
        with self._session() as session:
            return session.scalar(select(StateRow.revision)) or 0

    def create(self, model: str) -> State:
        """Write the state of a new gallery, and return it."""
        state = State(str(uuid.uuid4()), model, None, 0)
        with self._session() as session, session.begin():
            session.add(StateRow(id=1, **asdict(state)))
        return state

    def set_model(self, model: str) -> None:
        """Bind a gallery that has no vectors yet to another model."""
        with self._session() as session, session.begin():
            session.execute(update(StateRow).values(model=model))

    def set_stamp(self, stamp: str) -> None:
        """Remember which weights the gallery's vectors come from."""
        with self._session() as session, session.begin():
            session.execute(update(StateRow).values(stamp=stamp))

    def counts(self) -> dict[str, int]:
        """Count the items of each kind."""
        with self._session() as session:
            rows = session.execute(select(ItemRow.kind, func.count()).group_by(ItemRow.kind))
            return {kind: count for kind, count in rows}

    def put(self, records: Sequence[Record], moved: Mapping[str, str] | None = None) -> None:
        """Write records with distinct uris, all or none; an item that is there keeps its id.

        `moved` names, by new uri, the old uri of items that are renamed first.
        """
        with self._session() as session, session.begin():
            revision = _next_revision(session)
            rename(session, moved or {})
            known = _ids_of(session, [record.uri for record in records])
            ids = [_write(session, record, known.get(record.uri), revision) for record in records]
            said = {i: (record.text, record.metadata) for i, record in zip(ids, records, strict=True)}
            write_facts(session, said, list(known.values()))

    def remove(self, uris: Sequence[str]) -> int:
        """Remove items, all or none; `ItemNotFound` names the first uri that is not there."""
        with self._session() as session, session.begin():
            ids = _ids_of(session, uris)
            for uri in uris:
                if uri not in ids:
                    raise ItemNotFound(f"no item has the uri {uri}")
            revision = _next_revision(session)
            for some in slices(sorted(ids.values())):
                session.execute(delete(EmbeddingRow).where(EmbeddingRow.item_id.in_(some)))
                forget_facts(session, some)
                session.execute(delete(ItemRow).where(ItemRow.id.in_(some)))
                session.execute(insert(RemovalRow), [{"item_id": i, "revision": revision} for i in some])
            return len(ids)

    def known(self, uris: Sequence[str]) -> dict[str, Record]:
        """Return the records of those uris that are there, without their embeddings."""
        with self._session() as session:
            rows = _rows(session, ItemRow.uri, list(uris))
            return {row.uri: to_record(row) for row in rows}

    def items(self, ids: Sequence[int]) -> dict[int, tuple[Item, str | None]]:
        """Return items by id, each with the URI its picture is at; ids not there are left out."""
        with self._session() as session:
            return {row.id: (to_item(row), row.picture) for row in _rows(session, ItemRow.id, list(ids))}

    def fingerprints(self, uris: Sequence[str]) -> dict[str, Fingerprint]:
        """Return what tells whether the source of an item has changed, of those uris that are there."""
        return {
            uri: Fingerprint(record.size, record.mtime_ns, record.digest, record.text, record.metadata)
            for uri, record in self.known(uris).items()
        }

    def files_of(self, digests: Iterable[str]) -> dict[str, list[str]]:
        """Return the uris of the picture files with these contents, by digest, the oldest first."""
        with self._session() as session:
            return files_of(session, digests)

    def embeddings_of(self, digests: Iterable[str]) -> dict[tuple[str, str], dict[Signal, Encoded]]:
        """Return what was made of these contents before, by (kind, digest)."""
        with self._session() as session:
            return embeddings_of(session, digests)

    def looks(self, ids: Iterable[int], signal: Signal) -> dict[int, tuple[str, Floats]]:
        """Return digest and vector (dim,) of items; those without such a vector are left out."""
        with self._session() as session:
            return looks(session, ids, signal)

    def uris_under(self, prefix: str) -> Iterator[Sequence[str]]:
        """Yield, in pages, the uris that start with `prefix`; they may be removed meanwhile."""
        after = ""
        while True:
            with self._session() as session:
                page = uris_under(session, prefix, after)
            if not page:
                return
            yield page
            after = page[-1]

    def find(self, uri: str) -> int | None:
        """Return the id of an item by its uri."""
        with self._session() as session:
            return session.scalar(select(ItemRow.id).where(ItemRow.uri == uri))

    def digest(self, item_id: int) -> str:
        """Return the SHA-256 of what an item was encoded from."""
        with self._session() as session:
            digest = session.scalar(select(ItemRow.digest).where(ItemRow.id == item_id))
            if digest is None:
                raise ItemNotFound(f"no item has the id {item_id}")
            return digest

    def fields(self) -> dict[str, str]:
        """Return the type (number, text, boolean) of every metadata column, by name."""
        with self._session() as session:
            return {name: kind for name, (_, kind) in read_fields(session).items()}

    def matching(self, tree: Filter, *, among: Sequence[int] | None = None) -> Ids:
        """Return the ids, ascending, of the items for which a filter holds, or of those among some."""
        with self._session() as session:
            wanted = select(ItemRow.id).where(condition(tree, read_fields(session)))
            if among is None:
                return np.fromiter(session.scalars(wanted.order_by(ItemRow.id)), dtype=np.int64)
            found = [i for some in slices(among) for i in session.scalars(wanted.where(ItemRow.id.in_(some)))]
            return np.array(sorted(found), dtype=np.int64)

    def embeddings(self, item_id: int) -> dict[Signal, Encoded]:
        """Return an item's embeddings (one row each), none when the item is not there."""
        with self._session() as session:
            rows = session.scalars(select(EmbeddingRow).where(EmbeddingRow.item_id == item_id))
            return {Signal(row.signal): encoded_rows([row]) for row in rows}

    def integrity(self) -> list[str]:
        """Return what the database says is wrong with its file."""
        with self._session() as session:
            lines: list[str] = [row[0] for row in session.execute(text("PRAGMA integrity_check"))]
            broken = session.execute(text("PRAGMA foreign_key_check")).all()
            return [line for line in lines if line != "ok"] + [
                f"a row without its item: {row}" for row in broken
            ]

    def without_embeddings(self) -> list[tuple[int, str]]:
        """Return (id, uri) of the items that have no vector."""
        with self._session() as session:
            found = select(ItemRow.id, ItemRow.uri).where(ItemRow.id.not_in(select(EmbeddingRow.item_id)))
            return [(item_id, uri) for item_id, uri in session.execute(found)]

    def pictures(self, scheme: str) -> list[tuple[str, str, str]]:
        """Return (uri, picture, digest) of the items whose picture's URI has that scheme."""
        with self._session() as session:
            found = select(ItemRow.uri, ItemRow.picture, ItemRow.digest)
            rows = session.execute(found.where(ItemRow.picture.startswith(scheme, autoescape=True)))
            return [(uri, picture or "", digest) for uri, picture, digest in rows]

    def back_up(self, target: Path) -> None:
        """Write a copy of the database as it is at one moment, while others go on writing to it."""
        with self._session() as session, closing(sqlite3.connect(target)) as copy:
            source = session.connection().connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            session.rollback()  # the backup reads by itself
            source.backup(copy)

    @contextmanager
    def changes(self, since: int) -> Iterator[Changes]:
        """Read, from one consistent snapshot, all that came after a revision."""
        with self._session() as session, session.begin():
            revision = session.scalar(select(StateRow.revision)) or 0
            gone = session.scalars(select(RemovalRow.item_id).where(RemovalRow.revision > since)).all()
            yield Changes(revision, np.array(gone, dtype=np.int64), _scan(session, since))


def _next_revision(session: Session) -> int:
    state = session.get_one(StateRow, 1)
    state.revision += 1
    return state.revision


def _rows(session: Session, column: Any, values: Sequence[Any]) -> Iterator[ItemRow]:
    for some in slices(values):
        yield from session.scalars(select(ItemRow).where(column.in_(some)))


def _ids_of(session: Session, uris: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in slices(list(uris)):
        rows = session.execute(select(ItemRow.uri, ItemRow.id).where(ItemRow.uri.in_(some)))
        found.update((uri, item_id) for uri, item_id in rows)
    return found


def _write(session: Session, record: Record, item_id: int | None, revision: int) -> int:
    values = {
        "uri": record.uri,
        "kind": record.kind,
        "text": record.text,
        "picture": record.picture,
        "digest": record.digest,
        "size": record.size,
        "mtime_ns": record.mtime_ns,
        "details": record.metadata,
        "revision": revision,
    }
    if item_id is None:
        row = ItemRow(**values)
        session.add(row)
        session.flush()
        item_id = row.id
    else:
        session.execute(update(ItemRow).where(ItemRow.id == item_id).values(values))
    if record.embeddings is not None:
        session.execute(delete(EmbeddingRow).where(EmbeddingRow.item_id == item_id))
        session.add_all(embedding_row(item_id, *pair) for pair in record.embeddings.items())
    return item_id


def _scan(session: Session, since: int) -> Iterator[tuple[Ids, Signal, Encoded]]:
    for signal in Signal:
        wanted = (
            select(EmbeddingRow)
            .join(ItemRow, ItemRow.id == EmbeddingRow.item_id)
            .where(EmbeddingRow.signal == signal.value, ItemRow.revision > since)
            .order_by(EmbeddingRow.item_id)
            .execution_options(yield_per=SCAN_ROWS)
        )
        for rows in session.scalars(wanted).partitions():
            ids = np.array([row.item_id for row in rows], dtype=np.int64)
            yield ids, signal, encoded_rows(rows)
