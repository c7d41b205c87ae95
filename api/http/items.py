"""`/v1/items`: adding items, looking at one, removing it."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.documents import Document, item_document, regions_document
from api.http.access import READ, WRITE
from api.http.bodies import Upload, items_request
from api.http.ingest import add as add_items
from api.http.ingest import described, digest_of, uploaded
from api.http.openapi import form_schema, problems, request_body
from api.http.repeats import REPLAYED, Claimed
from api.http.replies import ItemReply, ItemsReply, RegionsReply
from api.http.schemas import MAX_ID, ItemsRequest
from api.http.state import Engine, Serviced

router = APIRouter(tags=["items"])

ItemId = Annotated[
    int, Path(ge=1, le=MAX_ID, description="The item's id, as a hit or a reply to adding shows it.")
]

FILES_SCHEMA = form_schema(
    {
        "files": {
            "type": "array",
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            "minItems": 1,
            "description": "One or more picture files.",
        },
        "metadata": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "A JSON object of names and plain values, kept with each of the pictures.",
        },
    },
    required=("files",),
)


@router.post(
    "/items",
    summary="Add or replace items",
    response_model=ItemsReply,
    response_model_exclude_unset=True,
    responses=problems(400, 401, 403, 409, 413, 415, 422, 429, 503),
    dependencies=[WRITE],
    openapi_extra=request_body("ItemsRequest", FILES_SCHEMA),
)
async def add(
    service: Serviced,
    wanted: Annotated[ItemsRequest | list[Upload], Depends(items_request)],
    claim: Claimed,
    request: Request,
    response: Response,
) -> Document:
    """Add items, or replace those whose uri is already there.

    An item that cannot be read is listed as failed with its reason, and the others go on.
    """
    digest = digest_of(wanted)
    earlier = claim.earlier(digest) if claim else None
    if earlier is not None:
        response.headers.update(REPLAYED)
        known: Document = json.loads(earlier)
        return known
    if isinstance(wanted, ItemsRequest):
        ready = await run_in_threadpool(described, wanted.items, request.app.state.settings.fetcher)
    else:
        ready = await run_in_threadpool(uploaded, wanted)
    added = await add_items(service, ready)
    if claim is not None:
        claim.keep(digest, json.dumps(added).encode())
    return added


@router.get(
    "/items/{id}",
    summary="Look at one item",
    response_model=ItemReply,
    response_model_exclude_unset=True,
    responses=problems(401, 403, 404, 422, 429),
    dependencies=[READ],
)
def show(engine: Engine, id: ItemId) -> Document:
    """Give one item as it is stored."""
    return item_document(engine.get(id))


@router.get(
    "/items/{id}/regions",
    summary="Look at the regions of one item",
    response_model=RegionsReply,
    responses=problems(401, 403, 404, 422, 429),
    dependencies=[READ],
)
def regions(engine: Engine, id: ItemId) -> Document:
    """Give the regions of an item's picture, the surest first: what a detector found, or people have drawn.

    A box can be asked with: `like` the item, `region` the box.
    """
    engine.get(id)
    return regions_document(engine.regions(id))


@router.delete(
    "/items/{id}",
    summary="Remove one item",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409, 422, 429),
    dependencies=[WRITE],
)
async def remove(service: Serviced, id: ItemId) -> None:
    """Take one item out of the gallery. The picture file it came from stays where it is."""
    engine = service.engine
    await service.write(lambda: engine.remove([engine.get(id).uri]))
