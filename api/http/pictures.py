"""`/v1/items/{id}/image`, `/thumbnail` and `/heat-map`: the pictures of items, and no other file."""

from __future__ import annotations

import hashlib
import io
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.http.access import READ
from api.http.asking import typed_query
from api.http.items import ItemId
from api.http.openapi import problems
from api.http.state import Engine
from engine.heat_maps import heat_map
from engine.query import MAX_CHARACTERS

router = APIRouter(tags=["items"])

# Only formats that a browser draws and cannot run; anything else is handed over as a download.
MEDIA_TYPES = {
    "AVIF": "image/avif",
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
}
DOWNLOAD = "application/octet-stream"
THUMBNAIL = "image/webp"
HEAT_MAP = "image/png"

# Each size asked for is a file in the cache, so any size is rounded up to one of these.
SIZES = (160, 320, 480, 640, 1024)

# Even if a picture were more than a picture, opened on its own it could neither run nor load anything.
PICTURE_POLICY = "default-src 'none'; sandbox"


def _replies(media_types: list[str], description: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "contentMediaType": DOWNLOAD}
    content = {media_type: {"schema": schema} for media_type in media_types}
    return {
        200: {"description": description, "content": content},
        304: {"description": "The picture that the client already has is still the right one."},
        **problems(401, 403, 404, 422, 429),
    }


@router.get(
    "/items/{id}/image",
    summary="The picture itself",
    response_class=Response,
    responses=_replies([*sorted(set(MEDIA_TYPES.values())), DOWNLOAD], "The picture file's own bytes."),
    dependencies=[READ],
)
@router.head("/items/{id}/image", include_in_schema=False, response_class=Response, dependencies=[READ])
def image(engine: Engine, id: ItemId, request: Request) -> Response:
    """Give the picture file as it is. Its ETag is the SHA-256 of its bytes."""
    item = engine.get(id)
    media_type = MEDIA_TYPES.get(str(item.metadata.get("format")), DOWNLOAD)
    response = _reply(request, engine.open_picture(id), media_type)
    if media_type == DOWNLOAD:
        response.headers["content-disposition"] = "attachment"
    return response


@router.get(
    "/items/{id}/thumbnail",
    summary="The picture, small",
    response_class=Response,
    responses=_replies([THUMBNAIL], "A WebP picture."),
    dependencies=[READ],
)
@router.head("/items/{id}/thumbnail", include_in_schema=False, response_class=Response, dependencies=[READ])
def thumbnail(
    engine: Engine,
    id: ItemId,
    request: Request,
    size: Annotated[
        int,
        Query(ge=1, le=SIZES[-1], description=f"The longest side in pixels, rounded up to one of {SIZES}."),
    ] = 320,
) -> Response:
    """Give the picture as WebP, upright, no side longer than the size."""
    rounded = next(step for step in SIZES if step >= size)
    return _reply(request, engine.thumbnail(id, rounded), THUMBNAIL)


@router.get(
    "/items/{id}/heat-map",
    summary="Where the words of a query looked in the picture",
    response_class=Response,
    responses=_replies([HEAT_MAP], "The picture under its heat map, as PNG."),
    dependencies=[READ],
)
def show_heat_map(
    engine: Engine,
    id: ItemId,
    request: Request,
    query: Annotated[
        str, Query(min_length=1, max_length=MAX_CHARACTERS, description="A query as it is typed.")
    ],
    word: Annotated[
        str | None, Query(description="One word of the query; all of them together by default.")
    ] = None,
) -> Response:
    """Draw where a word looked: bright where it looked most. The longer side is 1024 pixels at most."""
    drawn = io.BytesIO()
    heat_map(engine, id, typed_query(query), word).save(drawn, "PNG")
    return _reply(request, drawn.getvalue(), HEAT_MAP)


def _reply(request: Request, data: bytes, media_type: str) -> Response:
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    # An item may be replaced at any time, so what a browser keeps is asked about before it is used.
    headers = {"etag": etag, "cache-control": "private, no-cache", "content-security-policy": PICTURE_POLICY}
    asked = request.headers.get("if-none-match", "")
    known = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
