"""Words as they are written: people's (captions, names, tags), and apart from them those of machines.

Three FTS5 tables by item id: `words`, with a column for each of the three and one for captions that a machine
wrote, `readings` of the text in pictures, and `things`, what the regions of pictures are called. What is
searched for is quoted word by word, so none of it is ever read as FTS5's own syntax.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from urllib.parse import unquote

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from engine.store.models import ItemRow
from engine.store.regions import labels_of
from engine.store.rows import Record
from engine.types import Floats, Ids, Kind, Scalar, Signal

TABLES = {Signal.LEXICAL: "words", Signal.OCR: "readings", Signal.OBJECTS: "things"}
NO_TAGS = {"format"}  # texts that the gallery itself puts into an item's metadata


def write_words(session: Session, records: Mapping[int, Record], known: Sequence[int]) -> None:
    """Lay out the words of items by id, whose regions are written; `known` are those that had some before."""
    forget_words(session, known)
    words = [
        {
            "id": item_id,
            "text": r.text or "",
            "name": name_of(r.uri),
            "tags": tags_of(r.metadata),
            "generated": r.generated or "",
        }
        for item_id, r in records.items()
    ]
    if words:
        session.execute(
            text(
                "INSERT INTO words (rowid, text, name, tags, generated) "
                "VALUES (:id, :text, :name, :tags, :generated)"
            ),
            words,
        )
    readings = [{"id": item_id, "text": r.reading} for item_id, r in records.items() if r.reading]
    if readings:
        session.execute(text("INSERT INTO readings (rowid, text) VALUES (:id, :text)"), readings)
    looked = [item_id for item_id, r in records.items() if r.detector is not None]
    things = [{"id": i, "text": labels} for i, labels in labels_of(session, looked).items()]
    if things:
        session.execute(text("INSERT INTO things (rowid, text) VALUES (:id, :text)"), things)


def astray(session: Session) -> list[int]:
    """Return the items whose words are not laid out as the items have them."""
    columns = (ItemRow.id, ItemRow.text, ItemRow.uri, ItemRow.details, ItemRow.generated, ItemRow.reading)
    seen = labels_of(session)
    due = {
        i: (said or "", name_of(uri), tags_of(details), told or "", read or "", seen.get(i, ""))
        for i, said, uri, details, told, read in session.execute(select(*columns))
    }
    readings, things = (_texts(session, TABLES[signal]) for signal in (Signal.OCR, Signal.OBJECTS))
    words = session.execute(text("SELECT rowid, text, name, tags, generated FROM words"))
    laid = {i: (*laid_out, readings.pop(i, ""), things.pop(i, "")) for i, *laid_out in words}
    wrong = {i for i in due.keys() | laid.keys() if due.get(i) != laid.get(i)}
    return sorted(wrong | readings.keys() | things.keys())


def _texts(session: Session, table: str) -> dict[int, str]:
    return {i: said for i, said in session.execute(text(f"SELECT rowid, text FROM {table}"))}


def forget_words(session: Session, ids: Sequence[int]) -> None:
    """Remove the words of these items."""
    for table in TABLES.values():
        if ids:
            session.execute(text(f"DELETE FROM {table} WHERE rowid = :id"), [{"id": i} for i in ids])


def name_of(uri: str) -> str:
    """Return the name in a uri, without the folders before it and the suffix after it."""
    last = unquote(uri).rstrip("/").replace("#", "/").rpartition("/")[2]
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and stem and suffix.isalnum() else last


def tags_of(metadata: Mapping[str, Scalar]) -> str:
    """Return the texts among an item's metadata, a line each."""
    return "\n".join(v for name, v in metadata.items() if isinstance(v, str) and name not in NO_TAGS)


def quoted(words: str) -> str:
    """Write words, in this order and next to each other, as one FTS5 phrase."""
    return '"' + words.replace('"', '""') + '"'


def count_rows(connection: Connection, signal: Signal) -> int:
    """Count the items that have words."""
    return int(connection.execute(f"SELECT count(*) FROM {TABLES[signal]}_docsize").fetchone()[0])


def count_word(connection: Connection, signal: Signal, word: str) -> int:
    """Count the items that have a word."""
    table = TABLES[signal]
    asked = f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"
    return int(connection.execute(asked, (quoted(word),)).fetchone()[0])


def score_word(connection: Connection, signal: Signal, word: str, kind: Kind) -> tuple[Ids, Floats]:
    """Return the items of a kind that have a word, ids ascending, with its BM25; several add up."""
    table = TABLES[signal]
    asked = (
        f"SELECT {table}.rowid, -bm25({table}) FROM {table} JOIN items ON items.id = {table}.rowid "
        f"WHERE {table} MATCH ? AND items.kind = ? ORDER BY {table}.rowid"
    )
    found = connection.execute(asked, (quoted(word), kind))
    rows = np.fromiter(found, dtype=[("id", np.int64), ("score", np.float32)])
    return np.ascontiguousarray(rows["id"]), np.ascontiguousarray(rows["score"])


def having_phrase(session: Session, phrase: str) -> Ids:
    """Return the ids of the items that say, or show, these words next to each other."""
    ids: list[int] = []
    for table in TABLES.values():
        found = text(f"SELECT rowid FROM {table} WHERE {table} MATCH :asked")
        ids += session.scalars(found, {"asked": quoted(phrase)})
    return np.unique(np.array(ids, dtype=np.int64))
