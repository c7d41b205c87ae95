"""The tools of `crosslight mcp`, called by the protocol's own client over stdio and HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image
from serving import running

from api.doors.mcp import create_mcp_app, create_server
from engine import SearchEngine

ROOT = Path(__file__).parents[2]
TOOLS = {"search", "similar", "look", "caption", "ask"}


@pytest.fixture(scope="module")
def http(colors: Path) -> Iterator[str]:
    """The address of the tools over HTTP."""
    with SearchEngine.open(colors, read_only=True) as engine:
        app = create_mcp_app(create_server(engine))
        with running(app) as url:  # type: ignore[arg-type]
            yield f"{url}mcp"


def stdio(gallery: Path) -> StdioServerParameters:
    """Start the command as a program would that speaks with it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = ["-m", "api.cli", "mcp", "--gallery", str(gallery), "--device", "cpu"]
    return StdioServerParameters(command=sys.executable, args=arguments, env=environment)


def ask(server: str | StdioServerParameters, work: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Client(server) as client:
            await work(client)

    anyio.run(main)


def document(result: CallToolResult) -> Any:
    """What the last part of an answer says."""
    assert not result.is_error, result.content
    last = result.content[-1]
    assert isinstance(last, TextContent)
    return json.loads(last.text)


async def walk(client: Client) -> None:
    """Search, look at the first hit, and ask for what is like it."""
    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
    found = document(await client.call_tool("search", {"query": "red", "k": 2}))
    first, second = found["hits"]
    assert first["uri"].endswith("red.png")
    seen = await client.call_tool("look", {"id": first["id"]})
    picture, _ = seen.content
    assert isinstance(picture, ImageContent)
    assert picture.mime_type == "image/webp"
    assert Image.open(io.BytesIO(base64.b64decode(picture.data))).size == (200, 30)
    assert document(seen)["uri"] == first["uri"]
    alike = document(await client.call_tool("similar", {"id": first["id"], "k": 1}))["hits"]
    assert [hit["id"] for hit in alike] == [second["id"]]


def test_a_client_works_over_stdio(colors: Path) -> None:
    ask(stdio(colors), walk)


def test_a_client_works_over_http(http: str) -> None:
    ask(http, walk)


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("look", {"id": 999}, "no item has the id 999; search first"),
        ("search", {"query": "red", "filter": "year >="}, "year"),
        ("search", {"query": "secret.png + red"}, "none is read over HTTP"),
        ("search", {"query": "red", "k": 1000}, "less than or equal to 50"),
        ("caption", {"id": 6}, "no picture"),
        ("ask", {"id": 6, "question": "what is it"}, "no picture"),
    ],
)
def test_a_model_reads_what_was_wrong(http: str, tool: str, arguments: dict[str, Any], reason: str) -> None:
    async def work(client: Client) -> None:
        result = await client.call_tool(tool, arguments)
        assert result.is_error
        (said,) = result.content
        assert isinstance(said, TextContent)
        assert reason in said.text

    ask(http, work)


def test_a_text_is_looked_at_too(http: str) -> None:
    async def work(client: Client) -> None:
        assert document(await client.call_tool("look", {"id": 6}))["text"] == "purple curtains"

    ask(http, work)


@pytest.mark.mini
def test_the_bundled_model_captions_and_answers(photographs: list[Path], tmp_path: Path) -> None:
    """The pagoda is asked about; the model that searches has no part in it."""

    async def work(client: Client) -> None:
        told = document(await client.call_tool("caption", {"id": 1}))
        (caption,) = told["captions"]
        assert told["model"] == "mini" and "building" in caption["text"] and 0 < caption["probability"] < 1
        asked = {"id": 1, "question": "is there a building?"}
        answer = document(await client.call_tool("ask", asked))
        assert (answer["text"], answer["kind"], answer["sure"]) == ("yes", "yes/no", True)
        assert answer["probability"] > 0.9 and "heat_map" not in answer  # a model reads no grid of numbers
        assert (
            document(await client.call_tool("ask", asked | {"question": "is there a dog?"}))["text"] == "no"
        )
        refused = await client.call_tool("ask", asked | {"question": "a building"})
        assert refused.is_error and "is not a question" in str(refused.content)

    with SearchEngine.open(tmp_path / "gallery", model="color") as engine:
        engine.add(photographs)
        with running(create_mcp_app(create_server(engine))) as url:  # type: ignore[arg-type]
            ask(f"{url}mcp", work)
