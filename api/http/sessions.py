"""`/v1/sessions`: conversations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.documents import Document, session_document, turn_document
from api.http.access import READ
from api.http.openapi import problems
from api.http.replies import QueryReply, SearchReply
from api.http.schemas import Kind, Strict
from api.http.state import Serviced
from api.http.tracing import Traced
from engine.dialogue import MAX_SHOWN, Sessions
from engine.options import Options
from engine.query import MAX_CHARACTERS

router = APIRouter(tags=["sessions"])
ERRORS = problems(400, 401, 403, 404, 409, 410, 413, 422, 429, 503)


def sessions(running: Serviced) -> Sessions:
    """Give a handler the conversations of the gallery its path names."""
    return running.sessions


Talk = Annotated[Sessions, Depends(sessions)]
SessionId = Annotated[str, Path(min_length=1, max_length=64, description="The session's id.")]


class SessionRequest(Strict):
    """What a new session begins with; all of it may be left out."""

    query: str = Field(
        "", max_length=MAX_CHARACTERS, description="A query as it is typed; see docs/query.md."
    )
    filter: str | None = Field(None, max_length=MAX_CHARACTERS)
    kind: Kind | None = None


class TurnRequest(Strict):
    """How a turn shows its hits, as in a search."""

    k: int = Field(10, ge=1, le=MAX_SHOWN, description="How many hits at most.")
    rerank: bool = True
    explain: bool = False
    group: bool = False
    diversity: float = Field(0.0, ge=0, le=1)

    def options(self) -> Options:
        """Make the engine's options of it."""
        return Options(self.k, None, self.rerank, self.explain, self.group, self.diversity)


class SayRequest(TurnRequest):
    """What is said next."""

    text: str = Field(
        description="Such as `the same at night`, `without people`, `more like the second`, `undo`."
    )


class EditRequest(TurnRequest):
    """The query as it shall be."""

    query: str = Field(max_length=MAX_CHARACTERS, description="As it is typed; empty to look for nothing.")
    filter: str | None = Field(None, max_length=MAX_CHARACTERS)
    kind: Kind | None = None


class SpokenReply(BaseModel):
    """One turn that is over."""

    said: str | None = Field(description="Null for an edit, and for an undo that was not said.")
    understood: list[str]
    written: str = Field(description="The query after the turn.")
    filter: str | None


class SessionReply(BaseModel):
    """A conversation."""

    id: str
    query: QueryReply | None = Field(description="Null while nothing is looked for.")
    filter: str | None
    kind: Kind | None
    can_undo: bool
    expires: str = Field(description="When it ends unless it is used before, in UTC.")
    turns: list[SpokenReply] = Field(description="The last hundred turns, the oldest first.")
    shown: list[int] = Field(description="Ids of the hits last shown: `the second` is the second of these.")


class TurnReply(BaseModel):
    """What a turn did."""

    said: str | None
    understood: list[str] = Field(description="What was done with the query, a line each.")
    notes: list[str]
    session: SessionReply
    result: SearchReply | None = Field(description="Null while nothing is looked for.")


@router.post(
    "/sessions",
    summary="Begin a conversation",
    status_code=201,
    response_model=SessionReply,
    responses=ERRORS,
    dependencies=[READ],
)
def create(talk: Talk, wanted: SessionRequest) -> Document:
    """Begin a session, with a query or with none."""
    return session_document(talk.create(wanted.query, filter=wanted.filter, kind=wanted.kind))


@router.get(
    "/sessions/{id}",
    summary="Look at a conversation",
    response_model=SessionReply,
    responses=ERRORS,
    dependencies=[READ],
)
def show(talk: Talk, id: SessionId) -> Document:
    """Give the query as it stands, what was said, and what was shown last."""
    return session_document(talk.show(id))


@router.post(
    "/sessions/{id}/say",
    summary="Refine the query by an utterance, and search",
    response_model=TurnReply,
    response_model_exclude_unset=True,
    responses=ERRORS,
    dependencies=[READ],
)
def say(talk: Talk, id: SessionId, wanted: SayRequest, traced: Traced) -> Document:
    """Take a turn. What is not understood leaves the session as it was."""
    turn = talk.say(id, wanted.text, wanted.options())
    traced(turn.result)
    return turn_document(turn)


@router.put(
    "/sessions/{id}/query",
    summary="Set the query by hand, and search",
    response_model=TurnReply,
    response_model_exclude_unset=True,
    responses=ERRORS,
    dependencies=[READ],
)
def edit(talk: Talk, id: SessionId, wanted: EditRequest, traced: Traced) -> Document:
    """Replace query, filter and kind by those given. What does not parse changes nothing."""
    turn = talk.edit(id, wanted.query, wanted.options(), filter=wanted.filter, kind=wanted.kind)
    traced(turn.result)
    return turn_document(turn)


@router.post(
    "/sessions/{id}/undo",
    summary="Take the last turn back, and search",
    response_model=TurnReply,
    response_model_exclude_unset=True,
    responses=ERRORS,
    dependencies=[READ],
)
def undo(talk: Talk, id: SessionId, traced: Traced, wanted: TurnRequest | None = None) -> Document:
    """Go back to the query before the last turn."""
    turn = talk.undo(id, wanted.options() if wanted else Options())
    traced(turn.result)
    return turn_document(turn)


@router.delete(
    "/sessions/{id}",
    summary="End a conversation",
    status_code=204,
    response_class=Response,
    responses=ERRORS,
    dependencies=[READ],
)
def delete(talk: Talk, id: SessionId) -> None:
    """Forget a session."""
    talk.delete(id)
