"""`POST /v1/caption` and `POST /v1/ask`: what a picture shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from api.documents import Document, answer_document, captions_document
from api.http.access import READ
from api.http.asking import AskRequest, CaptionRequest, PictureRequest
from api.http.bodies import asked_request
from api.http.openapi import form_schema, problems, request_body
from api.http.settings import Settings
from api.http.state import Engine
from engine import Part, SearchEngine
from engine.pictures import Picture
from engine.telling import open_answerer, open_captioner
from engine.telling.told import MAX_CAPTIONS, nearest_captions, picture_of, read_picture

router = APIRouter(tags=["telling"])
ERRORS = problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
PICTURE_FORM = {
    "image": {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "description": "A picture file.",
    },
    "like": {"type": ["integer", "string"]},
}


class CaptionReply(BaseModel):
    """A sentence that a machine wrote."""

    text: str
    probability: float | None = Field(
        description="The model's own, a word; null where it gives none. Not calibrated."
    )


class NearestReply(BaseModel):
    """What people say of an item that looks like the picture."""

    text: str
    id: int
    uri: str
    likeness: float | None = Field(description="The cosine of the two pictures' vectors.")


class CaptionsReply(BaseModel):
    """What the picture shows."""

    model: str
    captions: list[CaptionReply] = Field(description="Written by a machine, the best first.")
    nearest: list[NearestReply] = Field(description="Written by people, of other pictures.")


class AlternativeReply(BaseModel):
    """Another answer."""

    text: str
    probability: float | None


class AnswerReply(BaseModel):
    """An answer, and how much to make of it."""

    model: str
    text: str
    probability: float | None = Field(description="That the answer is right, as calibrated.")
    sure: bool = Field(description="Whether that is enough to rely on; where it is not, say so.")
    kind: str = Field(description="yes/no, count, color, where, what, or other.")
    alternatives: list[AlternativeReply]
    heat_map: list[list[float]] | None = Field(
        description="Where the model looked: rows over the whole picture, top first, adding up to 1."
    )


def picture_wanted(engine: SearchEngine, wanted: PictureRequest) -> Picture:
    """Read the picture that is meant."""
    if wanted.image is not None:
        return read_picture(wanted.image)
    assert wanted.like is not None
    return picture_of(engine, wanted.like)


async def _caption(request: Request) -> CaptionRequest:
    return await asked_request(request, CaptionRequest)


async def _question(request: Request) -> AskRequest:
    return await asked_request(request, AskRequest)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Set = Annotated[Settings, Depends(_settings)]


@router.post(
    "/caption",
    summary="Say in a sentence what a picture shows",
    response_model=CaptionsReply,
    responses=ERRORS,
    dependencies=[READ],
    openapi_extra=request_body(
        "CaptionRequest",
        form_schema(
            {
                **PICTURE_FORM,
                "count": {"type": "integer", "minimum": 1, "maximum": MAX_CAPTIONS, "default": 1},
                "nearest": {"type": "integer", "minimum": 0, "maximum": MAX_CAPTIONS, "default": 0},
            }
        ),
    ),
)
def caption(engine: Engine, settings: Set, wanted: Annotated[CaptionRequest, Depends(_caption)]) -> Document:
    """Write captions. The reply is the one `crosslight caption --json` prints."""
    picture = picture_wanted(engine, wanted)
    captioner = open_captioner(settings.teller, settings.device)
    captions = captioner.caption([picture.image], count=wanted.count)[0]
    part = Part(picture=picture) if wanted.like is None else Part(item=wanted.like)
    return captions_document(captioner.name, captions, nearest_captions(engine, part, wanted.nearest))


@router.post(
    "/ask",
    summary="Answer a question on a picture",
    response_model=AnswerReply,
    responses=ERRORS,
    dependencies=[READ],
    openapi_extra=request_body("AskRequest", form_schema({**PICTURE_FORM, "question": {"type": "string"}})),
)
def ask(engine: Engine, settings: Set, wanted: Annotated[AskRequest, Depends(_question)]) -> Document:
    """Answer. The reply is the one `crosslight ask --json` prints."""
    answerer = open_answerer(settings.teller, settings.device)
    return answer_document(answerer.name, answerer.ask(picture_wanted(engine, wanted).image, wanted.question))
