"""Items by content and by place: what is encoded already, what has moved, what is under a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from engine.store.models import EmbeddingRow, ItemRow
from engine.store.records import whole
from engine.store.rows import encoded_rows, slices
from engine.types import OWN, Encoded, Floats, Signal

PAGE = 500  # uris at a time


def places_of(session: Session, digests: Iterable[str]) -> dict[str, list[tuple[str, str | None]]]:
    """Return uri and place of what has these contents, by digest, the oldest first."""
    found: dict[str, list[tuple[str, str | None]]] = {}
    for some in slices(list(dict.fromkeys(digests))):
        wanted = select(ItemRow.digest, ItemRow.uri, ItemRow.picture).where(ItemRow.digest.in_(some))
        for digest, uri, picture in session.execute(wanted.order_by(ItemRow.id)):
            found.setdefault(digest, []).append((uri, picture))
    return found


def embeddings_of(session: Session, digests: Iterable[str], model_id: int) -> dict[tuple[str, str], Encoded]:
    """Return what a model made of these contents before, by (kind, digest)."""
    found: dict[tuple[str, str], Encoded] = {}
    for some in slices(list(dict.fromkeys(digests))):
        first = select(func.min(ItemRow.id)).where(ItemRow.digest.in_(some))
        first = first.group_by(ItemRow.kind, ItemRow.digest)
        wanted = (
            select(ItemRow.kind, ItemRow.digest, *EmbeddingRow.__table__.columns)
            .join(EmbeddingRow, EmbeddingRow.item_id == ItemRow.id)
            .where(ItemRow.id.in_(first), EmbeddingRow.model_id == model_id, *whole())
        )
        for row in session.execute(wanted):
            if row.signal == (OWN["image"] if row.kind == "image" else OWN["text"]):
                found[row.kind, row.digest] = encoded_rows([row])
    return found


def looks(
    session: Session, ids: Iterable[int], signal: Signal, model_id: int
) -> dict[int, tuple[str, Floats]]:
    """Return digest and a model's vector (dim,) of those items that have one of that signal."""
    found: dict[int, tuple[str, Floats]] = {}
    for some in slices(list(ids)):
        wanted = select(ItemRow.id, ItemRow.digest, EmbeddingRow.vector)
        wanted = wanted.join(EmbeddingRow, EmbeddingRow.item_id == ItemRow.id)
        wanted = wanted.where(ItemRow.id.in_(some), EmbeddingRow.signal == signal.value)
        wanted = wanted.where(EmbeddingRow.model_id == model_id)
        for item_id, digest, vector in session.execute(wanted):
            found[item_id] = digest, np.frombuffer(vector, dtype="<f4").astype(np.float32)
    return found


def rename(session: Session, moved: Mapping[str, str]) -> None:
    """Give items another uri; `moved` is new uri -> old uri."""
    for new, old in moved.items():
        session.execute(update(ItemRow).where(ItemRow.uri == old).values(uri=new))


def put_places(session: Session, places: Mapping[str, tuple[int, str]]) -> None:
    """Write where pictures are whose content is as it was: (time in ns, place) by the item's uri."""
    for uri, (mtime_ns, place) in places.items():
        here = update(ItemRow).where(ItemRow.uri == uri)
        session.execute(here.values(mtime_ns=mtime_ns, picture=place))


def uris_under(session: Session, prefix: str, after: str) -> Sequence[str]:
    """Return the next page of uris that start with `prefix`, in their order, after one of them."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    wanted = select(ItemRow.uri).where(ItemRow.uri >= prefix, ItemRow.uri > after, ItemRow.uri < end)
    return session.scalars(wanted.order_by(ItemRow.uri).limit(PAGE)).all()
