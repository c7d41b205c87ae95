"""What somebody may like next, by what they did before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from api.client import replies
from api.client.replies import Document, Item
from api.client.requests import Call, given


@dataclass(frozen=True, slots=True)
class Event:
    """What somebody did with an item, by its id or uri, and when: just now, where no time is given."""

    item: int | str
    event: Literal["liked", "viewed", "skipped", "hidden"] = "liked"
    time: datetime | None = None

    def document(self) -> dict[str, Any]:
        time = None if self.time is None else self.time.isoformat()
        return given({"item": self.item, "event": self.event, "time": time})


@dataclass(frozen=True, slots=True)
class Reason:
    """The nearest item that was liked, the cosine of the two, and the words both share."""

    like: Item
    likeness: float | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommended:
    """An item somebody may like, why, and the place of the interest it is for."""

    rank: int
    item: Item
    score: float | None
    interest: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Interest:
    """Items that were liked and are alike, and their share of all weight."""

    share: float | None
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What somebody may like next, best first; `notes` say what of the history was left out."""

    items: tuple[Recommended, ...]
    interests: tuple[Interest, ...]
    notes: tuple[str, ...]


def recommend(
    history: Iterable[Event],
    k: int,
    half_life: float | None,
    diversity: float | None,
    filter: str | None,
) -> Call[Recommendation]:
    body = {"history": [event.document() for event in history], "k": k}
    options = given({"half_life": half_life, "diversity": diversity, "filter": filter})
    return Call("POST", "/recommend", _recommendation, json=body | options)


def _recommendation(document: Document) -> Recommendation:
    interests = (Interest(one["share"], tuple(one["items"])) for one in document["interests"])
    found = tuple(map(_recommended, document["items"]))
    return Recommendation(found, tuple(interests), tuple(document["notes"]))


def _recommended(document: Document) -> Recommended:
    reason = document["reason"]
    return Recommended(
        rank=document["rank"],
        item=replies.item(document),
        score=document["score"],
        interest=document["interest"],
        reason=Reason(replies.item(reason["like"]), reason["likeness"], tuple(reason["words"])),
    )
