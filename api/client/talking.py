"""Conversations: a query that utterances refine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import quote

from api.client import replies
from api.client.replies import Document, Results
from api.client.requests import Call, Kind, given, nothing


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn that is over, and the query after it; `said` is none of a change by hand."""

    said: str | None
    understood: tuple[str, ...]
    written: str
    filter: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation: what it asks for, as it could be typed, what was said, and the ids shown last."""

    id: str
    written: str | None
    filter: str | None
    kind: Kind | None
    can_undo: bool
    expires: str
    turns: tuple[Spoken, ...]
    shown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn did; `results` is none while nothing is looked for."""

    said: str | None
    understood: tuple[str, ...]
    notes: tuple[str, ...]
    session: Session
    results: Results | None


class TurnOptions(TypedDict, total=False):
    """How a turn shows its hits, as in a search."""

    k: int
    rerank: bool
    explain: bool
    group: bool
    diversity: float


def begin(query: str, filter: str | None, kind: Kind | None) -> Call[Session]:
    body = {"query": query, **given({"filter": filter, "kind": kind})}
    return Call("POST", "/sessions", session, json=body)


def show(session_id: str) -> Call[Session]:
    return Call("GET", _path(session_id), session)


def say(session_id: str, text: str, options: TurnOptions) -> Call[Turn]:
    return Call("POST", _path(session_id, "/say"), turn, json={"text": text, **options})


def edit(
    session_id: str, query: str, filter: str | None, kind: Kind | None, options: TurnOptions
) -> Call[Turn]:
    body: dict[str, Any] = {"query": query, **given({"filter": filter, "kind": kind}), **options}
    return Call("PUT", _path(session_id, "/query"), turn, json=body)


def undo(session_id: str, options: TurnOptions) -> Call[Turn]:
    return Call("POST", _path(session_id, "/undo"), turn, json=dict(options))


def end(session_id: str) -> Call[None]:
    return Call("DELETE", _path(session_id), nothing)


def session(document: Document) -> Session:
    """Read a conversation."""
    query = document["query"]
    return Session(
        id=document["id"],
        written=None if query is None else query["written"],
        filter=document["filter"],
        kind=document["kind"],
        can_undo=document["can_undo"],
        expires=document["expires"],
        turns=tuple(map(_spoken, document["turns"])),
        shown=tuple(document["shown"]),
    )


def turn(document: Document) -> Turn:
    """Read what a turn did."""
    return Turn(
        said=document["said"],
        understood=tuple(document["understood"]),
        notes=tuple(document["notes"]),
        session=session(document["session"]),
        results=None if document["result"] is None else replies.results(document["result"]),
    )


def _spoken(document: Document) -> Spoken:
    return Spoken(document["said"], tuple(document["understood"]), document["written"], document["filter"])


def _path(session_id: str, rest: str = "") -> str:
    return f"/sessions/{quote(session_id, safe='')}{rest}"
