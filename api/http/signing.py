"""`/v1/sign-in`: the page gives an API key once, and the browser keeps it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from api.documents import Document
from api.http.access import checked
from api.http.cookies import forget_key, is_own_page, keep_key, key_in_cookie
from api.http.keys import Key, Keys
from api.http.openapi import problems
from api.http.problems import Problem
from api.http.replies import SignedReply
from api.http.schemas import SignInRequest

router = APIRouter(tags=["sign-in"])


@router.get("/v1/sign-in", summary="Who is signed in here", response_model=SignedReply)
def signed(request: Request) -> Document:
    """Tell whether the service needs a key, and what the one that this browser keeps may do."""
    keys: Keys = request.app.state.keys
    given = key_in_cookie(request) if keys.needed else None
    return _told(keys, keys.check(given) if given else None)


@router.post(
    "/v1/sign-in",
    summary="Have the browser keep a key",
    response_model=SignedReply,
    responses=problems(401, 403, 413, 422, 429),
)
async def sign_in(request: Request, response: Response, wanted: Annotated[SignInRequest, Body()]) -> Document:
    """Keep a key as a cookie that only the service's own page sends, and no script can read."""
    _own_page_only(request)
    await request.app.state.rates.count(request, None)
    keys: Keys = request.app.state.keys
    key = checked(keys, wanted.key)
    if isinstance(key, Problem):
        raise key
    keep_key(request, response, wanted.key)
    return _told(keys, key)


@router.delete(
    "/v1/sign-in", summary="Have the browser forget the key", status_code=204, responses=problems(403)
)
def sign_out(request: Request, response: Response) -> None:
    """Take the cookie back. The key itself stays valid: revoke it with `crosslight keys revoke`."""
    _own_page_only(request)
    forget_key(request, response)


def _told(keys: Keys, key: Key | None) -> Document:
    return {
        "needed": keys.needed,
        "name": key.name if key else None,
        "scopes": list(key.scopes) if key else [],
    }


def _own_page_only(request: Request) -> None:
    if not is_own_page(request):
        said = "Only the service's own page may sign in; send the key as Authorization: Bearer KEY"
        raise Problem(403, said)
