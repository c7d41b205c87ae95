"""Captions and answers for what a caller names: an item of a gallery, or a picture of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.pictures import Picture, load_picture
from engine.types import Item, Part, PictureSource, Query

if TYPE_CHECKING:
    from engine.search import SearchEngine

MAX_CAPTIONS = 10
NEAREST_LOOKED_AT = 50  # items alike, among which those with a caption by people are sought


@dataclass(frozen=True, slots=True)
class Nearest:
    """What people say of an item that looks like the picture, and the cosine of the two."""

    text: str
    item: Item
    likeness: float


def read_picture(source: PictureSource) -> Picture:
    """Read a picture that a caller brings; `BadPicture` says why it cannot be."""
    return source if isinstance(source, Picture) else load_picture(source)


def picture_of(engine: SearchEngine, item: int | str) -> Picture:
    """Read the picture of an item, by its id or its uri; `ItemNotFound` where there is none."""
    found = engine.get(item) if isinstance(item, int) else engine.find(item)
    assert found.id is not None
    return load_picture(engine.open_picture(found.id))


def nearest_captions(engine: SearchEngine, part: Part, count: int) -> list[Nearest]:
    """Return what people say of the items that look most like a picture or an item, itself left out."""
    if not count:
        return []
    found = engine.search(Query((part,), "image"), k=NEAREST_LOOKED_AT, rerank=False)
    said = [hit for hit in found if hit.item.text and hit.item.text.strip()]
    return [
        Nearest(hit.item.text or "", hit.item, hit.signals.get("visual", hit.score)) for hit in said[:count]
    ]
