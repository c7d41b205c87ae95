"""A query on its way to recall: check it, encode its parts, compose them into one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import BadInput, ItemNotFound
from engine.pictures import Picture, load_picture
from engine.types import Encoded, Floats, Kind, Part, Query, Signal

if TYPE_CHECKING:
    from engine.encoders import Encoder
    from engine.store import Store

MAX_PARTS = 16
MAX_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Read:
    """A part of the query whose tokens the reranker reads, and its share of what it reads."""

    kind: Kind
    text: str
    encoded: Encoded  # one row, with tokens where the model has them
    share: float


@dataclass(frozen=True, slots=True)
class Composed:
    """A query ready for recall.

    `vectors` has, for each signal with vectors, the (1, dim) unit vector to ask it with. `read` are the
    parts whose tokens the reranker reads: the texts of positive weight, else the first picture of
    positive weight; `words` are what the positive texts say, to be found as they are written.
    """

    vectors: Mapping[Signal, Floats]
    read: tuple[Read, ...]
    words: tuple[str, ...]
    exclude: tuple[int, ...]  # items named in the query, which are no answer to it


def as_query(query: str | Query) -> Query:
    """Take a plain string as a query of one text."""
    return Query((Part(text=query),)) if isinstance(query, str) else query


def check(query: Query) -> None:
    """Raise `BadInput` for a query that cannot be answered, whatever the gallery holds."""
    if not 1 <= len(query.parts) <= MAX_PARTS:
        raise BadInput(f"a query has 1 to {MAX_PARTS} parts, this one has {len(query.parts)}")
    for part in query.parts:
        if sum(value is not None for value in (part.text, part.picture, part.item)) != 1:
            raise BadInput("each part of a query is one of: text, picture, item")
        if part.text is not None and not part.text.strip():
            raise BadInput("the query is empty; type a few words, or give a picture")
        if part.text is not None and len(part.text) > MAX_CHARACTERS:
            raise BadInput(f"the query has {len(part.text):,} characters, the limit is {MAX_CHARACTERS:,}")
        if part.weight == 0 or not np.isfinite(part.weight):
            raise BadInput(f"a part has the weight {part.weight}; give it one that is not zero")


def compose(query: Query, encoder: Encoder, store: Store) -> Composed:
    """Encode each part, and add the parts up by weight for each signal."""
    encoded = [_encode(part, encoder, store) for part in query.parts]
    return Composed(
        vectors={signal: _sum(query.parts, encoded, signal) for signal in (Signal.VISUAL, Signal.CAPTION)},
        read=_read(query.parts, encoded),
        words=tuple(part.text for part in query.parts if part.text is not None and part.weight > 0),
        exclude=tuple(part.item for part in query.parts if part.item is not None),
    )


def _sum(parts: Sequence[Part], encoded: Sequence[Mapping[Signal, Encoded]], signal: Signal) -> Floats:
    """Add the parts up; an item that has both speaks by its picture to pictures, by its words to words."""
    weights = np.array([part.weight for part in parts], dtype=np.float32)
    vectors = [own.get(signal, next(iter(own.values()))).vectors for own in encoded]
    total: Floats = (weights[:, None] * np.concatenate(vectors)).sum(axis=0, keepdims=True)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise BadInput("the parts of the query cancel out; change a weight")
    return total / length


def _read(parts: Sequence[Part], encoded: Sequence[Mapping[Signal, Encoded]]) -> tuple[Read, ...]:
    positive = [(part, own) for part, own in zip(parts, encoded, strict=True) if part.weight > 0]
    texts = [(part, own[Signal.CAPTION]) for part, own in positive if part.text is not None]
    whole = sum(part.weight for part, _ in texts)
    if texts:
        return tuple(Read("text", part.text or "", one, part.weight / whole) for part, one in texts)
    pictures = [own[Signal.VISUAL] for part, own in positive if part.picture is not None]
    return tuple(Read("image", "", one, 1.0) for one in pictures[:1])


def _encode(part: Part, encoder: Encoder, store: Store) -> Mapping[Signal, Encoded]:
    """Return what a part says to each signal."""
    if part.text is not None:
        tokens = encoder.count_tokens(part.text)
        if tokens > encoder.text_limit:
            raise BadInput(
                f"the query has {tokens} tokens, {encoder.name} reads {encoder.text_limit}; make it shorter"
            )
        return {Signal.CAPTION: encoder.encode_text([part.text])}
    if part.picture is not None:
        picture = part.picture if isinstance(part.picture, Picture) else load_picture(part.picture)
        return {Signal.VISUAL: encoder.encode_image([picture.image])}
    assert part.item is not None
    found = store.embeddings(part.item)
    if not found:
        raise ItemNotFound(f"no item has the id {part.item}")
    return found


def wanted_signal(query: Query, held: dict[Signal, int]) -> Signal:
    """Choose the signal to ask: the kind wanted, else pictures where there are any."""
    if query.kind is not None:
        return Signal.VISUAL if query.kind == "image" else Signal.CAPTION
    return Signal.VISUAL if held.get(Signal.VISUAL) or not held.get(Signal.CAPTION) else Signal.CAPTION
