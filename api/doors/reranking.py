"""What the doors that rerank share: documents in, an order with relevances out."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel, Field, model_validator

from api.doors.shapes import ANY_MODEL, check_model, part_of, picture_of
from api.http.schemas import ItemName, Strict
from engine import Part, SearchEngine
from engine.judging import judge

MAX_DOCUMENTS = 1000


class Described(Strict):
    """A document, or a query, as an object: one of a text, a picture and an item of the gallery."""

    text: str | None = Field(None, min_length=1)
    image: str | None = Field(None, min_length=1, description="In base64, bare or as a `data:` URI.")
    like: ItemName | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Described:
        if sum(thing is not None for thing in (self.text, self.image, self.like)) != 1:
            raise ValueError("one of text, image and like is needed")
        return self


Given: TypeAlias = str | Described


class RerankRequest(Strict):
    """A query and what is to be put in order, as Cohere's, Jina's and infinity's clients send it."""

    query: Given = Field(description="A text, a picture as a `data:` URI, or an item as `like:ID`.")
    documents: list[Given] = Field(min_length=1, max_length=MAX_DOCUMENTS)
    model: str | None = Field(None, description=f"The gallery's model, or `{ANY_MODEL}`.")
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False
    max_tokens_per_doc: int | None = Field(None, ge=1, description="Not used: the model's own limit holds.")
    max_chunks_per_doc: int | None = Field(None, ge=1, description="Not used: a document is one chunk.")
    truncation: bool | None = Field(None, description="Not used: a text that is too long is always cut.")
    raw_scores: bool = Field(False, description="Give the scores themselves, not relevances.")


class RankedReply(BaseModel):
    """One document's place in the order."""

    index: int = Field(description="Its place among the documents of the request.")
    relevance_score: float = Field(description="0 to 1, higher is better, comparable within one reply.")
    document: dict[str, str | int] | str | None = None


class RerankReply(BaseModel):
    """The documents in order, best first: a reply that Cohere's, Jina's and infinity's clients all read."""

    id: str
    object: str = "rerank"
    model: str
    results: list[RankedReply]
    usage: dict[str, int]
    meta: dict[str, Any]


def rerank(wanted: RerankRequest, engine: SearchEngine, *, plain: bool = False) -> RerankReply:
    """Put the documents in order; `plain` gives documents back as they came, else as objects."""
    check_model(wanted.model, engine)
    query = _part(wanted.query)
    documents = [_part(document) for document in wanted.documents]
    judged = judge(query, documents, engine.serving())
    relevances = judged.scores if wanted.raw_scores else _relevances(judged.scores, judged.probabilities)
    order = np.argsort(-judged.scores, kind="stable")[: wanted.top_n]
    results = [
        RankedReply(
            index=int(place),
            relevance_score=float(relevances[place]),
            document=_given(wanted.documents[place], plain) if wanted.return_documents else None,
        )
        for place in order
    ]
    tokens = _count([query, *documents], engine)
    return RerankReply(
        id=str(uuid.uuid4()),
        model=engine.model,
        results=results,
        usage={"prompt_tokens": tokens, "total_tokens": tokens},
        meta={"api_version": {"version": "2"}, "billed_units": {"search_units": 0}},
    )


def _relevances(scores: Any, probabilities: Any) -> Any:
    """Probabilities where the model is calibrated; else cosines, from -1..1 to 0..1, or scores squashed."""
    if probabilities is not None:
        return probabilities
    if np.abs(scores).max() <= 1.001:
        return (1 + scores.clip(-1, 1)) / 2
    return 0.5 + 0.5 * np.tanh(scores / 2)


def _part(given: Given) -> Part:
    if isinstance(given, str):
        return part_of(given)
    if given.text is not None:
        return Part(text=given.text)
    if given.image is not None:
        return Part(picture=picture_of(given.image))
    like = given.like  # Cohere's client knows only text: digits are an id, anything else a uri
    return Part(item=int(like) if isinstance(like, str) and like.isdecimal() else like)


def _given(document: Given, plain: bool) -> dict[str, str | int] | str:
    if isinstance(document, str):
        return document if plain else {"text": document}
    return document.model_dump(exclude_none=True)


def _count(parts: Sequence[Part], engine: SearchEngine) -> int:
    encoder = engine.load().encoder
    return sum(encoder.count_tokens(part.text) for part in parts if part.text is not None)
