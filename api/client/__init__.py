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
from api.client.facets import Count, Facets
from api.client.jobs import Job
from api.client.recommending import Event, Interest, Reason, Recommendation, Recommended
from api.client.replies import Added, Explanation, Hit, Info, Item, Outcome, Results, Word
from api.client.requests import NewPicture, NewText, SearchOptions
from api.client.sending import Retries
from api.client.talking import Session, Spoken, Turn, TurnOptions
from api.client.telling import Alternative, Answer, Caption, Captions, Nearest

__all__ = [
    "Added",
    "Alternative",
    "Answer",
    "AsyncClient",
    "Busy",
    "Caption",
    "Captions",
    "Client",
    "ClientError",
    "Count",
    "Event",
    "Explanation",
    "Facets",
    "Hit",
    "Info",
    "Interest",
    "Item",
    "Job",
    "Nearest",
    "NewPicture",
    "NewText",
    "NotAllowed",
    "NotFound",
    "Outcome",
    "Reason",
    "Recommendation",
    "Recommended",
    "Refused",
    "Results",
    "Retries",
    "SearchOptions",
    "ServiceError",
    "Session",
    "Spoken",
    "Turn",
    "TurnOptions",
    "Unreachable",
    "Word",
]
