"""The shapes of replies, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.http.schemas import Kind, Scalar


class WordReply(BaseModel):
    """Where one word of the query looked."""

    word: str
    weight: float = Field(description="The word's share of the match; the words' weights add up to 1.")
    grid: list[list[float]] = Field(description="Rows over the whole picture, top first, adding up to 1.")


class ExplanationReply(BaseModel):
    """Why a hit is where it is."""

    contributions: dict[str, float | None] = Field(description="Named parts that add up to the score.")
    recall_rank: int = Field(description="The hit's place before the second, closer look.")
    words: list[WordReply]


class ItemReply(BaseModel):
    """An item of the gallery."""

    id: int
    uri: str
    kind: Kind
    text: str | None = Field(
        None, description="A text's content, or a picture's caption; absent without one."
    )
    ocr: str | None = Field(
        None, description="What a machine read in the picture; absent if it did not look."
    )
    generated: str | None = Field(
        None, description="A caption that a machine wrote, for want of one by people; absent without one."
    )
    metadata: dict[str, Scalar] = Field(description="Pictures always have width, height and format.")


class RegionReply(BaseModel):
    """A box of a picture and what is there."""

    region: tuple[float, float, float, float] = Field(
        description="x, y, width, height, in shares of the picture."
    )
    label: str
    score: float = Field(description="How sure that is, from 0 to 1; 1 of what people have drawn.")


class RegionsReply(BaseModel):
    """The regions of a picture."""

    regions: list[RegionReply]


class AlikeReply(ItemReply):
    """An item that stands behind a hit it hardly differs from."""

    likeness: float | None = Field(description="The cosine of the two pictures' vectors.")
    exact: bool = Field(description="Whether both have the same bytes.")


class HitReply(ItemReply):
    """One answer: an item, its score and what the score is made of."""

    rank: int
    score: float | None = Field(description="Higher is better.")
    probability: float | None = Field(description="Of being relevant; null when the model is not calibrated.")
    signals: dict[str, float | None] = Field(description="The score of each view of the item.")
    alike: list[AlikeReply] = Field(description="What was grouped behind it, when that was asked for.")
    explanation: ExplanationReply | None = Field(None, description="Only there when asked for.")


class QueryReply(BaseModel):
    """The query as it was understood; a picture is named by its digest, not repeated."""

    parts: list[dict[str, str | int | float | list[float] | None]]
    kind: Kind | None
    phrases: list[str] = Field(description="What a hit must have word for word.")
    written: str | None = Field(
        description="The query as it could be typed; null with a picture that was sent."
    )


class PlanReply(BaseModel):
    """How the search was run: over `allowed` of `held` items, by which way, and why."""

    name: Literal["unfiltered", "pre-filter", "bitmap", "over-fetch", "empty"]
    allowed: int | None = Field(
        None,
        description="Null where hits were asked for in excess, each was checked, and none is explained.",
    )
    held: int
    estimated: int | None = Field(
        None, description="What a sample of items had told before; null without a filter."
    )
    reason: str


class SearchReply(BaseModel):
    """The hits, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "query": {
                        "parts": [{"text": "two dogs in snow", "weight": 1.0}],
                        "kind": "image",
                        "phrases": [],
                        "written": "two dogs in snow",
                    },
                    "hits": [
                        {
                            "rank": 1,
                            "id": 7,
                            "uri": "file:///photographs/snow.jpg",
                            "kind": "image",
                            "metadata": {"width": 640, "height": 427, "format": "JPEG"},
                            "score": 0.412803,
                            "probability": 0.871,
                            "signals": {"visual": 0.301512},
                            "alike": [],
                        }
                    ],
                    "timings": {"total": 31.2},
                    "reranked": True,
                    "plan": {
                        "name": "unfiltered",
                        "allowed": 420,
                        "held": 420,
                        "estimated": None,
                        "reason": "there is no filter",
                    },
                    "notes": [],
                    "no_match": False,
                    "misses": [],
                    "next_page": "AQAqAQcHm1QvW8Y",
                }
            ]
        }
    )

    query: QueryReply
    hits: list[HitReply]
    timings: dict[str, float | None] = Field(description="Milliseconds each stage took.")
    reranked: bool
    plan: PlanReply
    notes: list[str] = Field(description="What a person should know about these hits.")
    no_match: bool | None = Field(description="Whether nothing fits; null where the model cannot tell.")
    misses: list[HitReply] = Field(description="The nearest, when nothing fits.")
    next_page: str | None = Field(description="Sent as `page`, it asks for the hits after these.")


class ItemPageReply(BaseModel):
    """Some items, in the order they were first added."""

    items: list[ItemReply]
    next_cursor: str | None = Field(description="Sent as `cursor`, it asks for the items after these.")


class CountReply(BaseModel):
    """One value, and how many items have it."""

    value: Scalar
    count: int


class FacetsReply(BaseModel):
    """The commonest values of each column, the commonest first."""

    counted: int = Field(description="How many items were looked at.")
    facets: dict[str, list[CountReply]]


class FilterReply(BaseModel):
    """What a filter allows, and what filters can name."""

    allowed: int
    held: int
    columns: dict[str, Literal["number", "text", "boolean"]] = Field(description="Each column's type.")


class JobReply(BaseModel):
    """A piece of long work, as it stands."""

    id: str
    kind: Literal["ingest", "migrate", "reindex"]
    gallery: str
    asked: dict[str, Any] = Field(description="What it was asked to do.")
    state: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    created: str
    started: str | None
    ended: str | None
    done: int = Field(description="How many things are done,")
    total: int | None = Field(
        description="of how many; of tars and tables an estimate; null while that is not known."
    )
    reason: str | None = Field(description="Why it failed.")
    result: dict[str, Any] | None = Field(description="What it did, once it is done.")


class JobsReply(BaseModel):
    """The jobs of a gallery, the latest first."""

    jobs: list[JobReply]


class OutcomeReply(BaseModel):
    """What became of one item of the request, in the request's order."""

    uri: str = Field(description="Of a form's picture: sha256: and the digest of its bytes.")
    id: int | None = Field(description="Null when the item failed and was not there before.")
    status: Literal["added", "updated", "unchanged", "failed"]
    reason: str | None = Field(description="Why it failed; null otherwise.")
    name: str | None = Field(None, description="The file name an uploaded picture came with.")


class ItemsReply(BaseModel):
    """What became of each item, and how many of each."""

    items: list[OutcomeReply]
    added: int
    updated: int
    unchanged: int
    failed: int


class InfoReply(BaseModel):
    """The gallery in figures. Fields may be added."""

    model_config = ConfigDict(extra="allow")

    model: str
    items: int
    pictures: int
    texts: int


class GalleryReply(BaseModel):
    """One gallery of the server."""

    name: str
    path: str = Field(description="What its routes begin with, in place of /v1/.")
    model: str
    items: int
    ready: bool = Field(description="Whether its model is loaded.")
    default: bool = Field(description="Whether it is the one of the routes under /v1/.")


class GalleriesReply(BaseModel):
    """The galleries of the server, the first one first."""

    galleries: list[GalleryReply]


class HealthReply(BaseModel):
    """How well the service is, and what a person should look after."""

    status: Literal["ok", "degraded"] = Field(description="Degraded: it answers, but not as well as it may.")
    reasons: list[str]


class StateReply(BaseModel):
    """How the service is."""

    status: Literal["ok", "ready"]


class SignedReply(BaseModel):
    """Whose key this browser keeps."""

    needed: bool = Field(description="Whether this service asks for keys at all.")
    name: str | None = Field(description="The key's name; null where none is kept, or it is not valid.")
    scopes: list[str] = Field(description="What it may do: read, write, admin.")


class ProblemReply(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(description="A name for this kind of problem that does not change.")
    title: str
    status: int
    detail: str = Field(description="What is wrong with this request, for a person to act on.")
    instance: str
    errors: list[dict[str, str]] | None = Field(None, description="Each wrong field, when fields are wrong.")
