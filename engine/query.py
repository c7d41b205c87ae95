"""A query on its way to recall: check it, encode its parts, compose them into one vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import category

import numpy as np

from engine.errors import BadInput, BadPicture, ItemNotFound
from engine.languages import is_unicode
from engine.pictures import Picture, load_picture
from engine.regions import crop
from engine.rerank import Read
from engine.types import PLACES, Encoded, Floats, Kind, Part, Place, Query, Signal

if TYPE_CHECKING:
    from engine.encoders import Encoder
    from engine.models import Model
    from engine.reencoder import Reencoder
    from engine.store import Store

MAX_PARTS = 16
MAX_CHARACTERS = 10_000
ENDS = 8  # tokens at most that mark the ends of a text
SYMBOLS = ("So", "Mn")  # pictographs say something too


@dataclass(frozen=True, slots=True)
class Composed:
    """A query ready for recall.

    `vectors` has, for each signal with vectors, the (1, dim) unit vector to ask it with. `read` are the
    parts that the reranker reads: the texts of positive weight, else the first picture of
    positive weight; `words` are what the positive texts say, to be found as they are written.
    """

    vectors: Mapping[Signal, Floats]
    read: tuple[Read, ...]
    words: tuple[str, ...]
    exclude: tuple[int, ...]  # items named in the query, which are no answer to it


def check(query: Query) -> None:
    """Raise `BadInput` for a query that cannot be answered, whatever the gallery holds."""
    if not 1 <= len(query.parts) <= MAX_PARTS:
        raise BadInput(f"a query has 1 to {MAX_PARTS} parts, this one has {len(query.parts)}")
    for part in query.parts:
        check_part(part)
    _check_sides(query.parts)
    if len(query.phrases) > MAX_PARTS or not all(phrase.strip() for phrase in query.phrases):
        raise BadInput(f"a query has up to {MAX_PARTS} phrases, and each has a word")


def check_part(part: Part) -> None:
    if sum(value is not None for value in (part.text, part.picture, part.item)) != 1:
        raise BadInput("each part of a query is one of: text, picture, item")
    if part.weight == 0 or not np.isfinite(part.weight):
        raise BadInput(f"a part has the weight {part.weight}; give it one that is not zero")
    if part.text is None:
        return
    if part.region is not None:
        raise BadInput("a text has no box; give the box to a picture or an item")
    if not part.text.strip():
        raise BadInput("the query is empty; type a few words, or give a picture")
    if not is_unicode(part.text):
        raise BadInput(
            f"the query {part.text.strip()[:40]!r} has half of a character in it, which no text can hold; "
            "type it again"
        )
    if len(part.text) > MAX_CHARACTERS:
        raise BadInput(f"the query has {len(part.text):,} characters, the limit is {MAX_CHARACTERS:,}")
    if not any(character.isalnum() or category(character) in SYMBOLS for character in part.text):
        raise BadInput(f"the query {part.text.strip()[:40]!r} has no letter and no digit; type a few words")


def _check_sides(parts: Sequence[Part]) -> None:
    """Refuse what is asked for and taken away at once."""
    sides: dict[object, bool] = {}
    for part in parts:
        text = None if part.text is None else " ".join(part.text.casefold().split())
        if isinstance(part.picture, Picture):
            continue
        thing = (text, part.picture, part.item, part.region)
        if sides.setdefault(thing, part.weight > 0) != (part.weight > 0):
            name = repr(text) if text is not None else "one item" if part.picture is None else "one picture"
            raise BadInput(f"the query asks for {name} and takes it away too; remove one of the two")


def compose(query: Query, model: Model, store: Store, open_picture: Callable[[int], bytes]) -> Composed:
    """Encode each part, and add the parts up by weight for each signal.

    `open_picture` reads the picture of an item, of which a box is wanted.
    """
    parts = _scaled([_located(part, store) for part in query.parts])
    own = [_encode(part, model.encoder, store, open_picture) for part in parts]
    encoded = [_reencoded(one, model.reencoder) for one in own]
    visual = _sum(parts, encoded, Signal.VISUAL)
    speak_twice = any(len(one) > 1 for one in encoded)
    caption = _sum(parts, encoded, Signal.CAPTION) if speak_twice else visual
    return Composed(
        vectors={Signal.VISUAL: visual, Signal.CAPTION: caption},
        read=_read(parts, encoded),
        words=tuple(part.text for part in parts if part.text is not None and part.weight > 0),
        exclude=tuple(part.item for part in parts if isinstance(part.item, int)),
    )


def _located(part: Part, store: Store) -> Part:
    """Return the part with its item by id; `ItemNotFound` names one that is not in the gallery."""
    if not isinstance(part.item, str):
        return part
    found = store.find(part.item)
    if found is None:
        raise ItemNotFound(f"no item has the uri {part.item}; it may have been removed")
    return replace(part, item=found)


def _scaled(parts: Sequence[Part]) -> list[Part]:
    """Make the largest weight 1: only the shares matter, and sums of huge weights would overflow."""
    largest = max(abs(part.weight) for part in parts)
    return [part if largest == 1 else replace(part, weight=part.weight / largest) for part in parts]


def _sum(parts: Sequence[Part], encoded: Sequence[Mapping[Signal, Encoded]], signal: Signal) -> Floats:
    """Add the parts up; an item that has both speaks by its picture to pictures, by its words to words."""
    vectors = [own.get(signal, next(iter(own.values()))).vectors for own in encoded]
    if len(parts) == 1 and parts[0].weight > 0:
        return vectors[0]  # of length one as it is
    weights = np.array([[part.weight for part in parts]], dtype=np.float32)
    total: Floats = weights @ np.concatenate(vectors)
    length = sqrt(np.vdot(total, total))
    if length < 1e-4:
        raise BadInput("the parts of the query cancel out; change a weight")
    return total / length


def _read(parts: Sequence[Part], encoded: Sequence[Mapping[Signal, Encoded]]) -> tuple[Read, ...]:
    positive = [(part, own) for part, own in zip(parts, encoded, strict=True) if part.weight > 0]
    said = [(part.text, part.weight, own[Signal.CAPTION]) for part, own in positive if part.text is not None]
    texts = [one for one in said if not any(_says(text, one[0]) for text, _, _ in said)]
    whole = sum(weight for _, weight, _ in texts)
    if texts:
        return tuple(Read("text", text, one, weight / whole) for text, weight, one in texts)
    pictures = [
        own[Signal.VISUAL] for part, own in positive if part.picture is not None or part.region is not None
    ]
    return tuple(Read("image", "", one, 1.0) for one in pictures[:1])


def _says(text: str, other: str) -> bool:
    """Say whether a text holds another between its commas, which is then not read again."""
    return len(other) < len(text) and f", {other}, " in f", {text}, "


def _encode(
    part: Part, encoder: Encoder, store: Store, open_picture: Callable[[int], bytes]
) -> Mapping[Signal, Encoded]:
    """Return what a part says to each signal."""
    if part.text is not None:
        if len(part.text.encode()) > encoder.text_limit - ENDS:  # no token is less than a byte
            _check_length(part.text, encoder)
        return {Signal.CAPTION: encoder.encode_text([part.text])}
    source = part.picture
    if isinstance(part.item, int):
        if part.region is None:
            return _stored(part.item, store)
        source = open_picture(part.item)
    assert source is not None
    image = (source if isinstance(source, Picture) else _loaded(source)).image
    return {Signal.VISUAL: encoder.encode_image([image if part.region is None else crop(image, part.region)])}


def _check_length(text: str, encoder: Encoder) -> None:
    tokens = encoder.count_tokens(text)
    if tokens > encoder.text_limit:
        raise BadInput(
            f"the query has {tokens} tokens, {encoder.name} reads {encoder.text_limit}; make it shorter"
        )


def _reencoded(own: Mapping[Signal, Encoded], reencoder: Reencoder | None) -> Mapping[Signal, Encoded]:
    """Let words ask pictures by the vectors that the gallery has learned for it."""
    if reencoder is None or Signal.VISUAL in own:
        return own
    return {**own, Signal.VISUAL: Encoded(reencoder.reencode(own[Signal.CAPTION].vectors))}


def _loaded(source: Path | bytes) -> Picture:
    try:
        return load_picture(source)
    except BadPicture as error:
        if not isinstance(source, Path):
            raise
        hint = "" if source.exists() else "; if these are words, put them in quotes"
        raise BadPicture(f"{error}: {source}{hint}") from error


def _stored(item: int, store: Store) -> Mapping[Signal, Encoded]:
    found = store.embeddings(item)
    if not found:
        raise ItemNotFound(f"no item has the id {item}; it may have been removed")
    return found


def wanted_kind(query: Query, held: Mapping[Place, int]) -> Kind:
    """Choose the kind of items to search: the kind wanted, else pictures where there are any."""
    if query.kind is not None:
        return query.kind
    return "image" if held.get(PLACES["visual"]) or not held.get(PLACES["caption"]) else "text"
