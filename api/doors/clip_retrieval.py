"""`/knn-service`, `/metadata` and `/indices-list`, as the clients of clip-retrieval call them."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from api.documents import number
from api.doors.shapes import picture_of, route_shaped
from api.http.access import READ
from api.http.problems import Problem, invalid
from api.http.schemas import MAX_ID
from api.http.state import Service, Services
from api.http.tracing import Traced
from engine import BadInput, EngineError, Hit, Item, ItemNotFound, Part, Query, SearchEngine
from engine.options import MAX_K

THUMBNAIL = 320

Body = TypeVar("Body", bound=BaseModel)


class KnnRequest(BaseModel):
    """What clip-retrieval's client sends. The filters it has models for are not here, and are passed over."""

    model_config = ConfigDict(extra="ignore")

    text: str | None = None
    image: str | None = Field(None, description="A picture in base64.")
    image_url: str | None = Field(None, description="Refused: pictures are not fetched.")
    embedding_input: list[FiniteFloat] | None = Field(None, description="Refused: send the text or picture.")
    modality: Literal["image", "text"] = "image"
    num_images: int = Field(40, ge=1, le=MAX_K, description="How many results to describe.")
    num_result_ids: int | None = Field(None, ge=1, le=MAX_K, description="How many results at all.")
    indice_name: str | None = Field(None, description="A gallery by its name; without one the first.")
    use_mclip: bool = Field(False, description="Refused.")
    deduplicate: bool = Field(False, description="Leave out near-duplicates of a result.")


class MetadataRequest(BaseModel):
    """The items that clip-retrieval's client wants to know more of."""

    model_config = ConfigDict(extra="ignore")

    ids: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(max_length=MAX_K)
    indice_name: str | None = Field(None, description="A gallery by its name; without one the first.")


class MessageReply(BaseModel):
    """What went wrong."""

    message: str


def shaped(problem: Problem) -> dict[str, Any]:
    """Write a problem as clip-retrieval's service does."""
    return {"message": problem.detail}


def described(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that is read here, since its clients do not say that they send JSON."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


async def _body(request: Request, model: type[Body]) -> Body:
    try:
        return model.model_validate(json.loads(await request.body()))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise invalid(error.errors(include_context=False, include_input=False)) from None
        raise Problem(400, f"The body is not JSON: {error}") from None


async def knn_request(request: Request) -> KnnRequest:
    """Read the body of `/knn-service`."""
    return await _body(request, KnnRequest)


async def metadata_request(request: Request) -> MetadataRequest:
    """Read the body of `/metadata`."""
    return await _body(request, MetadataRequest)


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": MessageReply} for status in (400, 401, 403, 404, 409, 413, 429, 503)
}
router = APIRouter(tags=["doors"], route_class=route_shaped(shaped))


@router.post(
    "/knn-service",
    summary="The nearest pictures or texts, for clip-retrieval's clients",
    responses=ERRORS,
    dependencies=[READ],
    openapi_extra=described(KnnRequest),
)
def knn(
    request: Request,
    galleries: Services,
    wanted: Annotated[KnnRequest, Depends(knn_request)],
    traced: Traced,
) -> list[dict[str, Any]]:
    """Give the nearest by cosine, as clip-retrieval does: neither captions nor the reranker are asked."""
    gallery = _named(wanted.indice_name, galleries)
    query = Query((_asked(wanted),), wanted.modality)
    signal = "visual" if wanted.modality == "image" else "caption"
    result = gallery.engine.search(
        query,
        k=wanted.num_result_ids or wanted.num_images,
        rerank=False,
        group=wanted.deduplicate,
        signals={signal: 1.0},
    )
    traced(result)
    hits = result.hits or result.misses
    base = f"{request.base_url}v1/galleries/{gallery.name}/items"
    return [
        _result(hit, signal) | (_shown(hit.item, gallery.engine, base) if n < wanted.num_images else {})
        for n, hit in enumerate(hits)
    ]


@router.post(
    "/metadata",
    summary="What is known of items, for clip-retrieval's clients",
    responses=ERRORS,
    dependencies=[READ],
    openapi_extra=described(MetadataRequest),
)
def metadata(
    request: Request, galleries: Services, wanted: Annotated[MetadataRequest, Depends(metadata_request)]
) -> list[dict[str, Any]]:
    """Give the metadata of items by id, in that order; one that is gone is left out."""
    gallery = _named(wanted.indice_name, galleries)
    base = f"{request.base_url}v1/galleries/{gallery.name}/items"
    found = []
    for item_id in wanted.ids:
        try:
            item = gallery.engine.get(item_id)
        except ItemNotFound:
            continue
        told = dict(item.metadata) | _shown(item, gallery.engine, base)
        found.append({"id": item_id, "metadata": told})
    return found


@router.get(
    "/indices-list",
    summary="The indices there are, for clip-retrieval's clients",
    responses={status: ERRORS[status] for status in (401, 403, 429, 503)},
    dependencies=[READ],
)
def indices(galleries: Services) -> list[str]:
    """Name the galleries."""
    return list(galleries)


def _named(name: str | None, galleries: dict[str, Service]) -> Service:
    if name is None:
        return next(iter(galleries.values()))
    if name not in galleries:
        raise BadInput(f"no index is called {name!r} here; there is {', '.join(galleries)}")
    return galleries[name]


def _asked(wanted: KnnRequest) -> Part:
    if wanted.use_mclip:
        raise BadInput("use_mclip is not possible: the gallery's own model reads the text; leave it out")
    if wanted.text:
        return Part(text=wanted.text)
    if wanted.image:
        return Part(picture=picture_of(wanted.image))
    if wanted.image_url:
        raise BadInput("image_url is not fetched; send the picture itself as image, in base64")
    if wanted.embedding_input:
        raise BadInput("embedding_input is not taken; send the text or the picture that it was made of")
    raise BadInput("give one of text and image")


def _result(hit: Hit, signal: str) -> dict[str, Any]:
    return {"id": hit.item.id, "similarity": number(hit.signals.get(signal, hit.score))}


def _shown(item: Item, engine: SearchEngine, base: str) -> dict[str, Any]:
    """Give caption and URL, and a small picture in base64 where there is one."""
    shown: dict[str, Any] = {} if item.text is None else {"caption": item.text}
    if item.kind == "text":
        return shown
    here = f"{base}/{item.id}/image"
    shown["url"] = item.uri if item.uri.startswith(("https://", "http://")) else here
    try:
        small = engine.thumbnail(item.id or 0, THUMBNAIL)
    except EngineError:  # its file is gone; the result is none the worse
        return shown
    return shown | {"image": base64.b64encode(small).decode()}
