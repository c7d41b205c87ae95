"""The cookie in which a browser keeps an API key: pictures in a page cannot send headers.

It is taken from the service's own page alone, which the browser vouches for: no other site, and no other
port of the same machine, can search or write by it.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from fastapi import Request, Response

from api.http.guard import SAFE_METHODS

DAYS = 30


def key_in_cookie(request: Request) -> str | None:
    """Return the key that the service's own page sends along."""
    return request.cookies.get(_name(request)) if is_own_page(request) else None


def keep_key(request: Request, response: Response, key: str) -> None:
    """Have the browser keep a key where no script can read it."""
    response.set_cookie(
        _name(request),
        key,
        max_age=DAYS * 24 * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def forget_key(request: Request, response: Response) -> None:
    """Have the browser forget the key."""
    response.delete_cookie(_name(request), httponly=True, samesite="strict")


def is_own_page(request: Request) -> bool:
    """Say whether a request comes from the service's own page, or from its reader's address bar.

    Browsers tell by Sec-Fetch-Site where the service is at https or on this machine; elsewhere by Origin,
    which every request that writes has.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is not None or request.method in SAFE_METHODS


def _name(request: Request) -> str:
    # Cookies are shared by all ports of a host, so each file of keys has one of its own.
    path = str(request.app.state.keys.path.resolve())
    return f"crosslight_{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
