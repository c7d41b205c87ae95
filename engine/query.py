"""A query on its way to recall: check it, encode its parts, compose them into one vector."""

from __future__ import annotations

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
class Composed:
    """A query ready for recall.

    `vector` is (1, dim), unit length. `lead` is the part whose tokens the reranker reads: the first
    text with a positive weight, else the first picture; `lead_kind` and `lead_text` describe it.
    """

    vector: Floats
    lead: Encoded | None
    lead_kind: Kind
    lead_text: str
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
    """Encode each part and add them up by weight."""
    encoded = [_encode(part, encoder, store) for part in query.parts]
    weights = np.array([part.weight for part in query.parts], dtype=np.float32)
    total = (weights[:, None] * np.concatenate([e.vectors for e in encoded])).sum(axis=0, keepdims=True)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise BadInput("the parts of the query cancel out; change a weight")
    lead = _lead(query)
    return Composed(
        vector=total / length,
        lead=None if lead is None else encoded[lead],
        lead_kind="text" if lead is not None and query.parts[lead].text is not None else "image",
        lead_text="" if lead is None else query.parts[lead].text or "",
        exclude=tuple(part.item for part in query.parts if part.item is not None),
    )


def _lead(query: Query) -> int | None:
    positive = [place for place, part in enumerate(query.parts) if part.weight > 0]
    texts = [place for place in positive if query.parts[place].text is not None]
    pictures = [place for place in positive if query.parts[place].picture is not None]
    return next(iter(texts + pictures), None)


def _encode(part: Part, encoder: Encoder, store: Store) -> Encoded:
    if part.text is not None:
        tokens = encoder.count_tokens(part.text)
        if tokens > encoder.text_limit:
            raise BadInput(
                f"the query has {tokens} tokens, {encoder.name} reads {encoder.text_limit}; make it shorter"
            )
        return encoder.encode_text([part.text])
    if part.picture is not None:
        picture = part.picture if isinstance(part.picture, Picture) else load_picture(part.picture)
        return encoder.encode_image([picture.image])
    assert part.item is not None
    found = store.embedding(part.item)
    if found is None:
        raise ItemNotFound(f"no item has the id {part.item}")
    return found[1]


def wanted_signal(query: Query, held: dict[Signal, int]) -> Signal:
    """Choose the signal to ask: the kind wanted, else pictures where there are any."""
    if query.kind is not None:
        return Signal.VISUAL if query.kind == "image" else Signal.CAPTION
    return Signal.VISUAL if held.get(Signal.VISUAL) or not held.get(Signal.CAPTION) else Signal.CAPTION
