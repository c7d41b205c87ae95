"""The gallery as tools of the Model Context Protocol: search, look, similar, and what a model can tell.

A tool answers with JSON for the model to read; `look` answers with the picture itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette

import engine as package
from api.documents import Document, item_document, number, result_document
from api.http.asking import typed_query
from api.http.settings import LOOPBACK_NAMES
from engine import EngineError, ItemNotFound, Part, Query, SearchEngine
from engine.pictures import load_picture
from engine.telling import DEFAULT, MAX_QUESTION, Answerer, Captioner, open_answerer, open_captioner

MOST_HITS = 50  # a model reads them all
LOOKED_AT = 1024  # pixels of the longer side
INSTRUCTIONS = (
    "Search a gallery of pictures and texts. `search` finds items by words, `similar` by an item found "
    "before; both name items by id. `look` shows the picture of an id, `caption` and `ask` have a small "
    "model tell of it."
)
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

Id = Annotated[int, Field(ge=1, description="The id of an item, as a hit shows it.")]
Count = Annotated[int, Field(ge=1, le=MOST_HITS, description="How many hits at most.")]
FilterText = Annotated[
    str | None, Field(description="Only items whose metadata fit, such as `year >= 2020 and has place`.")
]


class Teller:
    """The models that caption and answer, loaded when first asked, one question at a time."""

    def __init__(self, engine: SearchEngine, key: str, device: str | None) -> None:
        self.engine, self.key, self.device = engine, key, device
        self.lock = Lock()

    @cached_property
    def captioner(self) -> Captioner:
        return open_captioner(self.key, self.device)

    @cached_property
    def answerer(self) -> Answerer:
        return open_answerer(self.key, self.device)

    def caption(self, item_id: int) -> Document:
        """Write a sentence on an item's picture."""
        picture = load_picture(self.engine.open_picture(item_id)).image
        with self.lock:
            (captions,) = self.captioner.caption([picture])
        told = [{"caption": one.text, "probability": _number(one.probability)} for one in captions]
        return told[0] if told else {"caption": None, "probability": None}

    def ask(self, item_id: int, question: str) -> Document:
        """Answer a question on an item's picture."""
        picture = load_picture(self.engine.open_picture(item_id)).image
        with self.lock:
            answer = self.answerer.ask(picture, question)
        others = [{"answer": text, "probability": number(chance)} for text, chance in answer.alternatives]
        told = {"answer": answer.text, "probability": number(answer.probability), "sure": answer.sure}
        return {**told, "alternatives": others}


def create_server(engine: SearchEngine, teller: str = DEFAULT, device: str | None = None) -> MCPServer[Any]:
    """Make a server whose tools ask an open engine, which its owner closes; `teller` captions and answers."""
    server: MCPServer[Any] = MCPServer(
        "crosslight", instructions=INSTRUCTIONS, version=package.__version__, log_level="WARNING"
    )
    tells = Teller(engine, teller, device)

    @server.tool(annotations=READS, structured_output=False)
    def search(
        query: Annotated[str, Field(description='Words, or a sum of terms: `like:42 + "at night"*0.5`.')],
        k: Count = 10,
        filter: FilterText = None,
        kind: Annotated[Literal["image", "text"] | None, Field(description="Only this kind.")] = None,
    ) -> Document:
        """Find pictures or texts by words, best first."""
        with told():
            asked = typed_query(query)
            return _found(engine, replace(asked, kind=kind or asked.kind), k, filter)

    @server.tool(annotations=READS, structured_output=False)
    def similar(id: Id, k: Count = 10, filter: FilterText = None) -> Document:
        """Find items like one of the gallery."""
        with told():
            return _found(engine, Query((Part(item=id),)), k, filter)

    @server.tool(annotations=READS, structured_output=False)
    def look(id: Id) -> list[Any]:
        """See an item: its picture, and what is known of it."""
        with told():
            item = engine.get(id)
            pictures = (
                [Image(data=engine.thumbnail(id, LOOKED_AT), format="webp")] if item.kind == "image" else []
            )
            return [*pictures, item_document(item)]

    @server.tool(annotations=READS, structured_output=False)
    def caption(id: Id) -> Document:
        """Have a model of the gallery's own say in a sentence what a picture shows."""
        with told():
            return tells.caption(id)

    @server.tool(annotations=READS, structured_output=False)
    def ask(
        id: Id,
        question: Annotated[str, Field(max_length=MAX_QUESTION, description="What is asked of the picture.")],
    ) -> Document:
        """Have a model of the gallery's own answer a question on a picture, and say how sure it is."""
        with told():
            return tells.ask(id, question)

    return server


@contextmanager
def told() -> Iterator[None]:
    """Let the model that called read what was wrong with the call."""
    try:
        yield
    except ItemNotFound as error:
        raise ToolError(f"{error}; search first, hits have ids") from error
    except EngineError as error:
        raise ToolError(str(error)) from error


def create_mcp_app(server: MCPServer[Any]) -> Starlette:
    """Make the ASGI app of streamable HTTP at /mcp, which only answers to names of this machine."""
    hosts = [pattern for name in LOOPBACK_NAMES for pattern in (name, f"{name}:*")]
    security = TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
    )
    return server.streamable_http_app(transport_security=security)


def _found(engine: SearchEngine, query: Query, k: int, filter: str | None) -> Document:
    document = result_document(query, engine.search(query, k=k, filter=filter))
    return {name: document[name] for name in ("hits", "notes", "no_match", "misses")}


def _number(value: float | None) -> float | None:
    return None if value is None else number(value)
