"""Looking through a gallery without a query: pages of items, counts of values, a filter tried out."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

from fastapi import APIRouter, Query

from api.documents import Document, item_document
from api.http.access import READ
from api.http.asking import FacetsRequest, FilterRequest, typed_query
from api.http.openapi import problems
from api.http.replies import FacetsReply, FilterReply, ItemPageReply
from api.http.state import Engine
from api.http.tracing import Traced
from engine import BadInput
from engine.query import MAX_CHARACTERS

router = APIRouter(tags=["items"])
MOST = 1_000

FilterText = Annotated[
    str | None,
    Query(max_length=MAX_CHARACTERS, description="Which items: `year >= 2020 and has place`."),
]


@router.get(
    "/items",
    summary="The items, page by page",
    response_model=ItemPageReply,
    response_model_exclude_unset=True,
    responses=problems(401, 403, 422, 429, 503),
    dependencies=[READ],
)
def listed(
    engine: Engine,
    filter: FilterText = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=200, description="The `next_cursor` of the page before.")
    ] = None,
) -> Document:
    """Give items in the order they were first added.

    What is added meanwhile comes last, what is removed is left out, and nothing comes twice.
    """
    after = 0 if cursor is None else _read(cursor, filter)
    found = engine.listing.page(filter, after=after, most=limit + 1)
    page = found[:limit]
    following = _write(page[-1].id or 0, filter) if len(found) > limit else None
    return {"items": [item_document(item) for item in page], "next_cursor": following}


@router.post(
    "/facets",
    summary="How often each value of a column occurs",
    response_model=FacetsReply,
    responses=problems(400, 401, 403, 404, 409, 422, 429, 503),
    dependencies=[READ],
)
def facets(engine: Engine, wanted: FacetsRequest, traced: Traced) -> Document:
    """Count the values of metadata columns, of all items, of those a filter allows, or of a query's best."""
    among = None
    if wanted.query is not None:
        query = typed_query(wanted.query)
        result = engine.search(query, k=wanted.first, filter=wanted.filter, rerank=False)
        traced(result)
        among = [hit.item.id for hit in result.hits if hit.item.id is not None]
    counted = {
        column: [
            {"value": value, "count": count}
            for value, count in engine.listing.values(column, wanted.filter, among=among, most=wanted.most)
        ]
        for column in wanted.columns
    }
    return {
        "counted": engine.listing.count(wanted.filter) if among is None else len(among),
        "facets": counted,
    }


@router.post(
    "/filter",
    summary="Try a filter out",
    response_model=FilterReply,
    responses=problems(400, 401, 403, 422, 429, 503),
    dependencies=[READ],
)
def tried(engine: Engine, wanted: FilterRequest) -> Document:
    """Tell how many items a filter allows, and which columns there are; a mistake is shown with a caret."""
    listing = engine.listing
    return {"allowed": listing.count(wanted.filter), "held": listing.count(), "columns": listing.columns()}


def _write(last: int, filter: str | None) -> str:
    """Name the last item of a page, and the filter the page is of."""
    return base64.urlsafe_b64encode(f"{last}.{_print(filter)}".encode()).decode().rstrip("=")


def _read(cursor: str, filter: str | None) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        last, _, mark = text.partition(".")
        after = int(last)
    except ValueError:
        raise BadInput(
            "the cursor is damaged; take next_cursor of the page before, or leave it out"
        ) from None
    if mark != _print(filter) or not 0 <= after < 2**63:
        raise BadInput("the cursor belongs to another filter; ask as for the page before, or leave it out")
    return after


def _print(filter: str | None) -> str:
    return hashlib.blake2b((filter or "").encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
