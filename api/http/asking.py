"""What may be asked over HTTP, and how a search becomes the engine's query."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from api.http.schemas import URL_MEANING, ItemName, Kind, PictureBytes, Strict
from engine import BadInput, Budget, Part, Query, Region
from engine.grammar import parse
from engine.options import MAX_K
from engine.query import MAX_CHARACTERS, MAX_PARTS
from engine.telling import MAX_QUESTION
from engine.telling.told import MAX_CAPTIONS


class PartRequest(Strict):
    """One weighted part of a query: words, a picture or an item, or a box of one of the two."""

    text: str | None = Field(None, description="Words to look for, as they are.")
    image: PictureBytes | None = None
    like: ItemName | None = None
    region: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] | None = Field(
        None,
        description="A box of the picture: x, y, width, height, in pixels, or in shares when none is over 1.",
    )
    weight: FiniteFloat = Field(1.0, description="Below 0 takes away.")

    @model_validator(mode="after")
    def _one_thing(self) -> PartRequest:
        if sum(thing is not None for thing in (self.text, self.image, self.like)) != 1:
            raise ValueError("a part is one of text, image and like")
        return self


class BudgetRequest(Strict):
    """What reranking may cost; one of the two, or both."""

    milliseconds: FiniteFloat | None = Field(None, gt=0)
    candidates: int | None = Field(None, ge=1)


class SearchRequest(Strict):
    """What to look for: a query as it is typed, parts, or simply words, a picture, an item; all are added."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "two dogs in snow", "k": 5},
                {"like": 7, "kind": "image"},
                {"query": '"beach" + like:42[0.1,0.2,0.5,0.5] - "people"*0.5'},
                {"parts": [{"text": "beach"}, {"like": 42, "region": [0.1, 0.2, 0.5, 0.5], "weight": -0.5}]},
            ]
        }
    )

    query: str | None = Field(None, description="A query as it is typed: a sum of terms, or plain text.")
    text: str | None = Field(
        None, description="Words to look for, as they are: no sign in them has a meaning."
    )
    image: PictureBytes | None = None
    image_url: str | None = Field(None, max_length=4096, description=URL_MEANING)
    like: ItemName | None = None
    parts: list[PartRequest] = Field([], description="Weighted parts, added up.", max_length=MAX_PARTS)
    phrases: list[str] = Field([], description="What a hit must have word for word.", max_length=MAX_PARTS)
    kind: Kind | None = Field(None, description="null looks among pictures, if there are any.")
    filter: str | None = Field(
        None,
        description="Which items may be hits: `year >= 2020 and has place`.",
        max_length=MAX_CHARACTERS,
    )
    k: int = Field(10, ge=1, le=MAX_K, description="How many hits at most.")
    rerank: bool | BudgetRequest = Field(
        True, description="Look at the best candidates again, closely, or do so within a budget."
    )
    explain: bool = Field(False, description="Tell for each hit what its score is made of.")
    group: bool = Field(False, description="Put near-duplicates behind one hit.")
    diversity: float = Field(
        0.0, ge=0, le=1, description="How much to prefer hits unlike those above them; 0 is off."
    )
    precision: float | None = Field(
        None, gt=0, lt=1, description="Give only hits that are right with this probability."
    )
    signals: dict[str, float] | None = Field(
        None, description="The signals to ask, each with its weight; see docs/signals.md."
    )
    page: str | None = Field(
        None, min_length=1, description="The `next_page` of the reply before; the rest as it was."
    )

    @model_validator(mode="after")
    def _one_picture(self) -> SearchRequest:
        if self.image is not None and self.image_url is not None:
            raise ValueError("give an image or an image_url, not both")
        return self

    @model_validator(mode="after")
    def _something_to_look_for(self) -> SearchRequest:
        if (
            not self.parts
            and self.query is None
            and self.text is None
            and self.image is None
            and self.image_url is None
            and self.like is None
        ):
            raise ValueError("give at least one of query, text, image, image_url, like and parts")
        return self


class FilterRequest(Strict):
    """A filter to try out."""

    filter: str | None = Field(None, description="null allows all.", max_length=MAX_CHARACTERS)


class FacetsRequest(Strict):
    """Whose values to count, and among which items."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"columns": ["place", "year"], "filter": "has place", "most": 10}]}
    )

    columns: list[str] = Field(min_length=1, max_length=32, description="Metadata columns, or `kind`.")
    filter: str | None = Field(None, description="Count only what it allows.", max_length=MAX_CHARACTERS)
    query: str | None = Field(None, description="Count only the best hits of this query, as it is typed.")
    first: int = Field(100, ge=1, le=MAX_K, description="How many hits of the query are counted.")
    most: int = Field(20, ge=1, le=1_000, description="How many values of each column, the commonest.")


class PictureRequest(Strict):
    """Which picture: one that is sent, or that of an item."""

    image: PictureBytes | None = None
    like: ItemName | None = None

    @model_validator(mode="after")
    def _one_picture(self) -> PictureRequest:
        if (self.image is None) == (self.like is None):
            raise ValueError("give one of image and like")
        return self


class CaptionRequest(PictureRequest):
    """A picture to write captions of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"like": 7, "nearest": 3}]})

    count: int = Field(1, ge=1, le=MAX_CAPTIONS, description="How many captions, the best first.")
    nearest: int = Field(
        0, ge=0, le=MAX_CAPTIONS, description="Also what people say of so many items that look alike."
    )


class AskRequest(PictureRequest):
    """A question on a picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"like": 7, "question": "is there a dog?"}]})

    question: str = Field(description=f"At most {MAX_QUESTION} characters.")


def to_rerank(wanted: SearchRequest) -> bool | Budget:
    """Make the engine's budget where one was given."""
    asked = wanted.rerank
    return Budget(asked.milliseconds, asked.candidates) if isinstance(asked, BudgetRequest) else asked


def to_query(wanted: SearchRequest) -> Query:
    """Make the engine's query of everything given."""
    parts = [_part(part) for part in wanted.parts]
    phrases = tuple(wanted.phrases)
    if wanted.text is not None:
        parts.append(Part(text=wanted.text))
    if wanted.image is not None:
        parts.append(Part(picture=wanted.image))
    if wanted.like is not None:
        parts.append(Part(item=wanted.like))
    if wanted.query is not None:
        typed = typed_query(wanted.query)
        parts, phrases = [*typed.parts, *parts], typed.phrases + phrases
    return Query(tuple(parts), wanted.kind, phrases)


def typed_query(text: str) -> Query:
    """Read a query as it is typed; nobody may have a file of this machine opened by naming it."""
    query = parse(text)
    for part in query.parts:
        if isinstance(part.picture, Path):
            raise BadInput(
                f"{part.picture} names a picture file, and none is read over HTTP; send the picture itself "
                'as a part, {"image": "<base64>"}, or put the name in quotes to look for its words'
            )
    return query


def _part(wanted: PartRequest) -> Part:
    region = None if wanted.region is None else Region(*wanted.region)
    return Part(wanted.text, wanted.image, wanted.like, wanted.weight, region)
