"""Rows as the engine's own types, and back: the byte formats of vectors and tokens are here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from engine.store.models import EmbeddingRow, ItemRow, ModelRow, said
from engine.types import PLACES, Encoded, Ids, Item, Kind, LabeledRegion, Place, Scalar, Signal

T = TypeVar("T")
MAX_VARIABLES = 900  # of one statement; SQLite's oldest limit is 999


@dataclass(frozen=True, slots=True)
class Record:
    """An item as it is written.

    `reading` is what a machine read in the picture, `None` where it did not look; `generated` is a caption
    that a machine wrote; `detector` names what found its regions, which `regions` are where they are new.
    `signals` are those that the item has once it is written. `embeddings` holds one-row `Encoded` by
    signal, `None` to remove one;
    a signal that is not named keeps what it has.
    """

    uri: str
    kind: Kind
    text: str | None
    picture: str | None
    digest: str
    size: int | None
    mtime_ns: int | None
    metadata: dict[str, Scalar]
    reading: str | None = None
    generated: str | None = None
    signals: frozenset[Signal] = frozenset()
    embeddings: Mapping[Signal, Encoded | None] = field(default_factory=dict)
    detector: str | None = None
    regions: tuple[LabeledRegion, ...] | None = field(default=None, compare=False)

    @property
    def said(self) -> str:
        """What the vector of its words is made of: people's, else a machine's."""
        return said(self.text, self.generated)


@dataclass(frozen=True, slots=True)
class State:
    """What the gallery says of itself: the model whose vectors are searched, and the one before it."""

    gallery: str
    model: str
    model_id: int
    stamp: str | None
    revision: int
    previous_id: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What one transaction saw after a revision: ids gone, ids written anew, their embeddings in batches."""

    revision: int
    removed: Ids
    written: Ids
    embeddings: Iterator[tuple[Ids, Place, Encoded]]


def embedding_values(item_id: int, model_id: int, signal: Signal, encoded: Encoded) -> dict[str, Any]:
    """Lay out what a model's encoder made of one signal of an item, as values of an `EmbeddingRow`."""
    values: dict[str, Any] = {"item_id": item_id, "model_id": model_id, "signal": signal.value}
    values["vector"] = encoded.vectors[0].astype("<f4").tobytes()
    values["tokens"] = values["token_dim"] = values["length"] = None
    if encoded.tokens is not None and encoded.lengths is not None:
        values["tokens"] = encoded.tokens[0].tobytes()
        values["token_dim"] = encoded.tokens.shape[2]
        values["length"] = int(encoded.lengths[0])
    return values


def encoded_rows(rows: Sequence[EmbeddingRow | Row[Any]], dim: int | None = None) -> Encoded:
    """Put rows of one signal together again; a vector that is not of `dim` is damaged, and comes as zeros."""
    length = 4 * dim if dim else len(rows[0].vector)
    whole = [row.vector if len(row.vector) == length else bytes(length) for row in rows]
    vectors = np.frombuffer(b"".join(whole), dtype="<f4").reshape(len(rows), -1).astype(np.float32)
    if any(row.tokens is None for row in rows):
        return Encoded(vectors)
    tokens = np.stack(
        [np.frombuffer(row.tokens or b"", dtype=np.int8).reshape(-1, row.token_dim or 1) for row in rows]
    )
    return Encoded(vectors, tokens, np.array([row.length for row in rows], dtype=np.int16))


def to_record(row: ItemRow, signals: frozenset[Signal]) -> Record:
    """Read an item as it was written, with the signals it has but without its embeddings and regions."""
    seen = {Signal.OCR: row.reading, Signal.OBJECTS: row.detector}
    return Record(
        uri=row.uri,
        kind="image" if row.kind == "image" else "text",
        text=row.text,
        picture=row.picture,
        digest=row.digest,
        size=row.size,
        mtime_ns=row.mtime_ns,
        metadata=row.details,
        reading=row.reading,
        signals=signals | {signal for signal, by in seen.items() if by is not None},
        detector=row.detector,
        generated=row.generated,
    )


def to_item(row: ItemRow) -> Item:
    """Read an item as a caller sees it; where its picture lies is the gallery's to say."""
    kind: Kind = "image" if row.kind == "image" else "text"
    return Item(
        uri=row.uri,
        kind=kind,
        text=row.text,
        metadata=row.details,
        id=row.id,
        ocr=row.reading,
        generated=row.generated,
    )


@lru_cache
def _items_by_id(count: int) -> str:
    columns = "id, uri, kind, text, metadata, reading, generated, picture"
    return f"SELECT {columns} FROM items WHERE id IN ({','.join('?' * count)})"


def read_items(
    connection: Connection, ids: Sequence[int], locate: Callable[[str | None], Path | None]
) -> dict[int, tuple[Item, str | None]]:
    """Read items by id, each with the URI its picture is at, and the path that `locate` knows for it."""
    found: dict[int, tuple[Item, str | None]] = {}
    for some in slices(ids):
        rows = connection.execute(_items_by_id(len(some)), some).fetchall()
        known = json.loads(f"[{','.join(row[4] for row in rows)}]")  # at once: ten calls take thrice as long
        for (item_id, uri, kind, text, _, ocr, generated, picture), details in zip(rows, known, strict=True):
            item = Item(uri, kind, text, locate(picture), details, item_id, ocr, generated=generated)
            found[item_id] = item, picture
    return found


def slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut values into runs that fit into one statement."""
    for start in range(0, len(values), MAX_VARIABLES):
        yield values[start : start + MAX_VARIABLES]


def scan(
    session: Session, written: Sequence[tuple[int, str]], model_id: int
) -> Iterator[tuple[Ids, Place, Encoded]]:
    """Read a model's vectors of items, given by id and kind, place by place, some at a time."""
    dim = session.scalar(select(ModelRow.dim).where(ModelRow.id == model_id))
    columns = EmbeddingRow.__table__.columns  # a mapped class would be made of each row
    for kind, signal in PLACES.values():
        ids = sorted(item_id for item_id, own in written if own == kind)
        for some in slices(ids):
            wanted = select(*columns).where(
                EmbeddingRow.item_id.in_(some),
                EmbeddingRow.signal == signal.value,
                EmbeddingRow.model_id == model_id,
            )
            rows = session.execute(wanted.order_by(EmbeddingRow.item_id)).all()
            with_tokens = [row for row in rows if row.tokens is not None]
            for alike in (with_tokens, [row for row in rows if row.tokens is None]):
                if alike:
                    found = np.array([row.item_id for row in alike], dtype=np.int64)
                    yield found, (kind, signal), encoded_rows(alike, dim)
