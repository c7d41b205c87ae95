"""The gallery as tools of the Model Context Protocol: search, look, similar, and what a model can tell.

A tool answers with JSON for the model to read; `look` answers with the picture itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations
from pydantic import Field
from starlette.applications import Starlette

import engine as package
from api.documents import Document, answer_document, captions_document, item_document, result_document
from api.http.asking import typed_query
from api.http.settings import LOOPBACK_NAMES
from engine import EngineError, ItemNotFound, Part, Query, SearchEngine
from engine.telling import DEFAULT, MAX_QUESTION, open_answerer, open_captioner
from engine.telling.told import picture_of

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


def create_server(engine: SearchEngine, teller: str = DEFAULT, device: str | None = None) -> MCPServer[Any]:
    """Make a server whose tools ask an open engine, which its owner closes; `teller` captions and answers."""
    server: MCPServer[Any] = MCPServer(
        "crosslight", instructions=INSTRUCTIONS, version=package.__version__, log_level="WARNING"
    )
    _find(server, engine)
    _tell(server, engine, teller, device)
    return server


def _find(server: MCPServer[Any], engine: SearchEngine) -> None:
    """Add the tools that find items and show them."""

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


def _tell(server: MCPServer[Any], engine: SearchEngine, teller: str, device: str | None) -> None:
    """Add the tools that say what a picture shows."""

    @server.tool(annotations=READS, structured_output=False)
    def caption(id: Id) -> Document:
        """Have a model of the gallery's own say in a sentence what a picture shows."""
        with told():
            captioner = open_captioner(teller, device)
            captions = captioner.caption([picture_of(engine, id).image])[0]
            return captions_document(captioner.name, captions, ())

    @server.tool(annotations=READS, structured_output=False)
    def ask(
        id: Id,
        question: Annotated[str, Field(max_length=MAX_QUESTION, description="What is asked of the picture.")],
    ) -> Document:
        """Have a model of the gallery's own answer a question on a picture, and say how sure it is."""
        with told():
            answerer = open_answerer(teller, device)
            answer = answer_document(answerer.name, answerer.ask(picture_of(engine, id).image, question))
            return {name: value for name, value in answer.items() if name != "heat_map"}


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
