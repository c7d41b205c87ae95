"""`POST /v1/embeddings` and `GET /v1/models`, as OpenAI's clients call them."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.doors.shapes import ANY_MODEL, check_model, part_of, route_shaped
from api.http.access import READ
from api.http.problems import Problem
from api.http.schemas import Strict
from api.http.state import Engine
from engine import BadInput
from engine.judging import encode

MAX_INPUTS = 2048

Input = Annotated[str, Field(min_length=1)]


class EmbeddingsRequest(Strict):
    """Texts, and pictures as `data:` URIs among them."""

    input: Input | Annotated[list[Input], Field(min_length=1, max_length=MAX_INPUTS)] = Field(
        description="A text, a picture as a `data:` URI, an item of the gallery as `like:ID`, or several."
    )
    model: str = Field(description=f"The gallery's model, or `{ANY_MODEL}` for whichever it is.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1, description="Only the length that the model's vectors have.")
    user: str | None = Field(None, description="Not used.")


class EmbeddingReply(BaseModel):
    """One vector of unit length: numbers, or little-endian float32 in base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class UsageReply(BaseModel):
    """How many tokens the texts have; a picture counts none."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsReply(BaseModel):
    """The vectors, in the order of the input."""

    object: Literal["list"] = "list"
    data: list[EmbeddingReply]
    model: str
    usage: UsageReply


class ModelReply(BaseModel):
    """The one model there is."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "crosslight"


class ModelsReply(BaseModel):
    """A list of one."""

    object: Literal["list"] = "list"
    data: list[ModelReply]


class ErrorReply(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    error: dict[str, str | None]


def shaped(problem: Problem) -> dict[str, Any]:
    """Write a problem as OpenAI does."""
    fault = "invalid_request_error" if problem.status < 500 else "server_error"
    param = problem.errors[0]["field"].removeprefix("body.") if problem.errors else None
    code = problem.name.replace("-", "_") if problem.name else None
    return {"error": {"message": problem.detail, "type": fault, "param": param, "code": code}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors a route can answer with."""
    return {status: {"model": ErrorReply} for status in statuses}


router = APIRouter(tags=["doors"], route_class=route_shaped(shaped))


@router.post(
    "/embeddings",
    summary="Vectors of texts and pictures, for OpenAI's clients",
    responses=errors(400, 401, 403, 404, 409, 413, 429, 503),
    dependencies=[READ],
)
def embeddings(wanted: EmbeddingsRequest, engine: Engine) -> EmbeddingsReply:
    """Encode texts and pictures into the one space that the gallery is searched in."""
    check_model(wanted.model, engine)
    inputs = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    parts = [part_of(one) for one in inputs]
    encoder = engine.load().encoder
    if wanted.dimensions not in (None, encoder.dim):
        raise BadInput(
            f"dimensions is {wanted.dimensions}, but the vectors of {engine.model} have {encoder.dim} and "
            "cannot be cut; leave it out"
        )
    vectors = encode(parts, engine.serving()).astype("<f4")
    tokens = sum(encoder.count_tokens(part.text) for part in parts if part.text is not None)
    as_text = wanted.encoding_format == "base64"
    written = [base64.b64encode(row.tobytes()).decode() if as_text else row.tolist() for row in vectors]
    return EmbeddingsReply(
        data=[EmbeddingReply(index=n, embedding=one) for n, one in enumerate(written)],
        model=engine.model,
        usage=UsageReply(prompt_tokens=tokens, total_tokens=tokens),
    )


@router.get(
    "/models",
    summary="The model there is, for OpenAI's clients",
    responses=errors(401, 403, 409, 429, 503),
    dependencies=[READ],
)
def models(engine: Engine) -> ModelsReply:
    """Name the gallery's model."""
    return ModelsReply(data=[ModelReply(id=engine.model)])
