"""A client of the HTTP service, for programs without the engine: it needs httpx and nothing else.

    with Client("http://localhost:8000") as gallery:
        for hit in gallery.search("two dogs in snow", k=5).hits:
            print(hit.score, hit.item.uri)

`AsyncClient` has the same methods to be awaited.
"""

from __future__ import annotations

from api.client.asynchronous import AsyncClient
from api.client.blocking import Client
from api.client.errors import Busy, ClientError, NotAllowed, NotFound, Refused, ServiceError, Unreachable
from api.client.replies import Added, Hit, Info, Item, Outcome, Results
from api.client.requests import SearchOptions
from api.client.sending import Retries

__all__ = [
    "Added",
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "Hit",
    "Info",
    "Item",
    "NotAllowed",
    "NotFound",
    "Outcome",
    "Refused",
    "Results",
    "Retries",
    "SearchOptions",
    "ServiceError",
    "Unreachable",
]
