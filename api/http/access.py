"""Who may use a route. Each route says so by one dependency: `READ`, `WRITE` or `ADMIN`.

    @router.get("/items/{id}", dependencies=[READ], …)

`admin` may do all, `write` may read too. While there is no file of keys, so may whoever reaches the service.
A key comes in a header, or from the service's own page in a cookie (`cookies.py`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.http.cookies import key_in_cookie
from api.http.keys import Key, Keys, Scope
from api.http.problems import Problem

IMPLIED: dict[Scope, frozenset[Scope]] = {
    "read": frozenset({"read"}),
    "write": frozenset({"read", "write"}),
    "admin": frozenset({"read", "write", "admin"}),
}
CHALLENGE = {"www-authenticate": "Bearer"}

_bearer = HTTPBearer(auto_error=False, description="An API key made by `crosslight keys create`.")
_header = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, for clients without Bearer."
)


async def allow(
    needed: SecurityScopes,
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
) -> Key | None:
    """Let a request through that has the scopes, and return its key (`None` where none is needed)."""
    keys: Keys = request.app.state.keys
    given = bearer.credentials if bearer is not None else header or key_in_cookie(request)
    key = checked(keys, given) if keys.needed else None
    await request.app.state.rates.count(request, key.id if isinstance(key, Key) else None)
    if isinstance(key, Problem):
        raise key
    if key is None:
        return None
    granted = frozenset[Scope]().union(*(IMPLIED[scope] for scope in key.scopes))
    lacking = [scope for scope in needed.scopes if scope not in granted]
    if lacking:
        raise Problem(
            403, f"The key {key.name!r} has {', '.join(key.scopes)}; this needs {', '.join(lacking)}"
        )
    request.scope["key"] = key.id
    return key


def checked(keys: Keys, given: str | None) -> Key | Problem:
    """Return the key that was given, or why it does not do: that is told once the attempt is counted."""
    if given is None:
        said = "This service needs an API key; send it as Authorization: Bearer KEY"
        return Problem(401, said, headers=CHALLENGE)
    said = "The API key is unknown or revoked; make one with: crosslight keys create"
    return keys.check(given) or Problem(401, said, headers=CHALLENGE)


READ = Security(allow, scopes=["read"])
WRITE = Security(allow, scopes=["write"])
ADMIN = Security(allow, scopes=["admin"])
