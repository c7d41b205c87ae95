"""What pictures show, in sentences and in answers to questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.client import replies
from api.client.replies import Document, Grid
from api.client.requests import Call, Picture, encoded, given


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence that a machine wrote; its probability is the model's own, a word."""

    text: str
    probability: float | None


@dataclass(frozen=True, slots=True)
class Nearest:
    """What people say of an item that looks like the picture; `likeness` is the cosine of the two."""

    text: str
    id: int
    uri: str
    likeness: float | None


@dataclass(frozen=True, slots=True)
class Captions:
    """What a picture shows, the best sentence first."""

    model: str
    captions: tuple[Caption, ...]
    nearest: tuple[Nearest, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another answer."""

    text: str
    probability: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, how likely it is right, whether that is `sure` enough, and where the model looked."""

    model: str
    text: str
    probability: float | None
    sure: bool
    kind: str
    alternatives: tuple[Alternative, ...]
    heat_map: Grid | None


def caption(image: Picture | None, like: int | str | None, count: int, nearest: int) -> Call[Captions]:
    body = {**_picture(image, like), "count": count, "nearest": nearest}
    return Call("POST", "/caption", _captions, json=body)


def ask(question: str, image: Picture | None, like: int | str | None) -> Call[Answer]:
    return Call("POST", "/ask", _answer, json={**_picture(image, like), "question": question})


def _picture(image: Picture | None, like: int | str | None) -> dict[str, Any]:
    return given({"image": None if image is None else encoded(image), "like": like})


def _captions(document: Document) -> Captions:
    return Captions(
        document["model"],
        tuple(Caption(one["text"], one["probability"]) for one in document["captions"]),
        tuple(Nearest(one["text"], one["id"], one["uri"], one["likeness"]) for one in document["nearest"]),
    )


def _answer(document: Document) -> Answer:
    heat = document["heat_map"]
    return Answer(
        model=document["model"],
        text=document["text"],
        probability=document["probability"],
        sure=document["sure"],
        kind=document["kind"],
        alternatives=tuple(Alternative(one["text"], one["probability"]) for one in document["alternatives"]),
        heat_map=None if heat is None else replies.grid(heat),
    )
