"""The service's replies as plain frozen values. Fields that a newer service adds are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Document: TypeAlias = Mapping[str, Any]
Grid: TypeAlias = tuple[tuple[float, ...], ...]  # rows over a picture, from the top, adding up to 1


@dataclass(frozen=True, slots=True)
class Item:
    """A picture or a text of the gallery; `text` is a text's content, or a picture's caption."""

    id: int
    uri: str
    kind: Literal["image", "text"]
    text: str | None
    ocr: str | None
    generated: str | None  # a caption by a machine, for want of one by people
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the query: its share of the match, and where in the picture it looked."""

    word: str
    weight: float
    grid: Grid


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit is where it is: named parts that add up to its score, and where each word looked."""

    contributions: Mapping[str, float | None]
    recall_rank: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer; it is explained where a search was asked to `explain`."""

    rank: int
    item: Item
    score: float | None
    probability: float | None
    signals: Mapping[str, float | None]
    alike: tuple[Item, ...]
    explanation: Explanation | None


@dataclass(frozen=True, slots=True)
class Results:
    """The hits of a search, best first; `document` is the whole reply."""

    hits: tuple[Hit, ...]
    misses: tuple[Hit, ...]
    no_match: bool | None
    notes: tuple[str, ...]
    next_page: str | None
    document: Document

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item that was sent; `reason` says why it failed."""

    uri: str | None  # none of a line of a stream that is no item
    id: int | None
    status: Literal["added", "updated", "unchanged", "failed"]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the items that were sent, in their order."""

    items: tuple[Outcome, ...]
    added: int
    updated: int
    unchanged: int
    failed: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a gallery's items, in the order they were first added, and where the next ones begin."""

    items: tuple[Item, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Info:
    """The gallery in figures; `document` has more."""

    model: str
    items: int
    pictures: int
    texts: int
    document: Document


def item(document: Document) -> Item:
    """Read an item."""
    return Item(
        id=document["id"],
        uri=document["uri"],
        kind=document["kind"],
        text=document.get("text"),
        ocr=document.get("ocr"),
        generated=document.get("generated"),
        metadata=document["metadata"],
    )


def results(document: Document) -> Results:
    """Read the reply to a search."""
    return Results(
        hits=tuple(map(_hit, document["hits"])),
        misses=tuple(map(_hit, document["misses"])),
        no_match=document["no_match"],
        notes=tuple(document["notes"]),
        next_page=document["next_page"],
        document=document,
    )


def _hit(document: Document) -> Hit:
    return Hit(
        rank=document["rank"],
        item=item(document),
        score=document["score"],
        probability=document["probability"],
        signals=document["signals"],
        alike=tuple(map(item, document["alike"])),
        explanation=_explanation(document["explanation"]) if document.get("explanation") else None,
    )


def _explanation(document: Document) -> Explanation:
    words = (Word(word["word"], word["weight"], grid(word["grid"])) for word in document["words"])
    return Explanation(document["contributions"], document["recall_rank"], tuple(words))


def grid(rows: Iterable[Iterable[float]]) -> Grid:
    """Read a grid over a picture."""
    return tuple(tuple(row) for row in rows)


def page(document: Document) -> Page:
    """Read some of a gallery's items."""
    return Page(tuple(map(item, document["items"])), document["next_cursor"])


def added(document: Document) -> Added:
    """Read the reply to items that were sent."""
    counts = (document["added"], document["updated"], document["unchanged"], document["failed"])
    return Added(tuple(map(outcome, document["items"])), *counts)


def outcome(document: Document) -> Outcome:
    """Read what became of one item."""
    return Outcome(document["uri"], document["id"], document["status"], document["reason"])


def info(document: Document) -> Info:
    """Read what the gallery says of itself."""
    return Info(document["model"], document["items"], document["pictures"], document["texts"], document)
