"""`POST /v1/recommend`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.documents import Document, recommendation_document
from api.http.access import READ
from api.http.openapi import problems
from api.http.replies import ItemReply
from api.http.schemas import ItemName, Strict
from api.http.state import Engine
from engine.query import MAX_CHARACTERS
from engine.recommend import HALF_LIFE, MAX_HISTORY, Happened, recommend

router = APIRouter(tags=["search"])
MAX_ITEMS = 1_000


class EventRequest(Strict):
    """What somebody did with an item, and when."""

    item: ItemName
    event: Literal["liked", "viewed", "skipped", "hidden"] = "liked"
    time: datetime | None = Field(
        None, description="ISO 8601, in UTC where no zone is given; null: just now."
    )

    def happened(self) -> Happened:
        """Make the engine's event of it."""
        if self.time is None:
            return Happened(self.item, self.event)
        zoned = self.time if self.time.tzinfo else self.time.replace(tzinfo=UTC)
        return Happened(self.item, self.event, zoned.timestamp())


class RecommendRequest(Strict):
    """A history, and how it is to be read."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "history": [{"item": 7}, {"item": 9, "event": "hidden", "time": "2026-11-02T10:00:00Z"}],
                    "k": 5,
                }
            ]
        }
    )

    history: list[EventRequest] = Field(max_length=MAX_HISTORY)
    k: int = Field(10, ge=1, le=MAX_ITEMS)
    half_life: float = Field(HALF_LIFE, gt=0, description="Days after which an event counts half.")
    diversity: float = Field(0.1, ge=0, le=1)
    filter: str | None = Field(None, max_length=MAX_CHARACTERS, description="What may be recommended.")


class ReasonReply(BaseModel):
    """Why an item is recommended."""

    like: ItemReply = Field(description="The nearest item of the history that was liked.")
    likeness: float | None = Field(description="The cosine of the two items' vectors.")
    words: list[str] = Field(description="What both share.")


class RecommendedReply(ItemReply):
    """A recommended item."""

    rank: int
    score: float | None
    interest: int = Field(description="Which of `interests` it is for, from 0.")
    reason: ReasonReply


class InterestReply(BaseModel):
    """Some of what was liked that is alike."""

    share: float | None = Field(description="Of all weight; the shares of all interests add up to 1.")
    items: list[int]


class RecommendReply(BaseModel):
    """The items, best first."""

    items: list[RecommendedReply]
    interests: list[InterestReply] = Field(description="The weightiest first, up to eight.")
    notes: list[str] = Field(description="What of the history was left out, and why.")


@router.post(
    "/recommend",
    summary="Recommend items from a history",
    response_model=RecommendReply,
    response_model_exclude_unset=True,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 429, 503),
    dependencies=[READ],
)
def recommended(engine: Engine, wanted: RecommendRequest) -> Document:
    """Give what somebody may like next, each with its reason. Nothing of the history comes back."""
    found = recommend(
        engine,
        [one.happened() for one in wanted.history],
        k=wanted.k,
        half_life=wanted.half_life,
        diversity=wanted.diversity,
        filter=wanted.filter,
    )
    return recommendation_document(found)
