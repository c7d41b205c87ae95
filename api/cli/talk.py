"""`crosslight talk`: find pictures by talking, in a terminal or, with `--say`, in a script."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from api.cli.hits import hits_table
from api.cli.options import (
    DEFAULT_GALLERY,
    DeviceOption,
    GalleryOption,
    JsonOption,
    ModelOption,
    RerankOption,
)
from api.cli.output import guarded, note, plain, show_json, stderr, stdout
from api.cli.reading import open_to_read
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.dialogue import Endpoint, Sessions, Turn
    from engine.options import Options

SayOption = Annotated[
    list[str] | None, typer.Option("--say", metavar="TEXT", help="What to say; again for each further turn.")
]
SessionOption = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="Go on with a session; by default a new one.")
]
KOption = Annotated[int, typer.Option("-k", metavar="N", help="How many hits a turn.")]
HoursOption = Annotated[
    float,
    typer.Option(
        "--session-hours", envvar="CROSSLIGHT_SESSION_HOURS", help="How long a session is kept after a turn."
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--llm-url", envvar="CROSSLIGHT_LLM_URL", help="An OpenAI-compatible endpoint for free phrasing."
    ),
]
LlmOption = Annotated[
    str | None,
    typer.Option("--llm-model", envvar="CROSSLIGHT_LLM_MODEL", help="The model that it is to use."),
]


@guarded
def talk(
    say: SayOption = None,
    session: SessionOption = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    k: KOption = 10,
    rerank: RerankOption = True,
    session_hours: HoursOption = 24.0,
    llm_url: UrlOption = None,
    llm_model: LlmOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find pictures by talking: "two dogs", "the same in snow", "more like the second", "undo"."""
    from engine.dialogue import Sessions
    from engine.options import Options

    endpoint = _endpoint(llm_url, llm_model)
    with (
        open_to_read(gallery, device, model) as engine,
        Sessions(engine, time_to_live=session_hours * 3600, endpoint=endpoint) as sessions,
    ):
        id = session or sessions.create().id
        options = Options(k=k, rerank=rerank)
        if as_json:
            from api.documents import session_document, turn_document

            turns = [turn_document(sessions.say(id, text, options)) for text in say or []]
            show_json({"session": session_document(sessions.show(id)), "turns": turns})
        elif say:
            for text in say:
                show(sessions.say(id, text, options))
            stdout.print(Text(f"go on: --session {id}", style="dim"), soft_wrap=True)
        else:
            _converse(sessions, id, options, _lines())


def _endpoint(url: str | None, model: str | None) -> Endpoint | None:
    """Return the language model; its key is of the environment alone, so no list of processes shows it."""
    from engine.dialogue import Endpoint

    return None if url is None else Endpoint(url, model or "", os.environ.get("CROSSLIGHT_LLM_KEY"))


def _converse(sessions: Sessions, id: str, options: Options, lines: Iterable[str]) -> None:
    """Take turns until there are no more lines; what is not understood is said, and the talk goes on."""
    for line in lines:
        try:
            show(sessions.say(id, line, options))
        except EngineError as error:
            stderr.print(Text("\n".join(plain(part) for part in str(error).split("\n"))), soft_wrap=True)
    stdout.print(Text(f"go on: --session {id}", style="dim"), soft_wrap=True)


def _lines() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            stderr.print(Text("> ", style="bold"), end="")
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line


def show(turn: Turn) -> None:
    """Show a turn: what was understood, the query, the hits."""
    for line in turn.notes:
        note(line)
    stdout.print(Text(plain("; ".join(turn.understood)), style="bold"))
    asked = turn.session.asked
    written = asked.written() + (f"   where {asked.filter}" if asked.filter else "")
    stdout.print(Text(plain(f"query: {written}"), style="dim"), soft_wrap=True)
    if turn.result is not None:
        if turn.result.no_match:
            stdout.print(Text("Nothing here matches. The nearest:"))
        stdout.print(hits_table(turn.result.hits or turn.result.misses))
