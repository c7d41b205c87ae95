"""Sessions: conversations that are kept in the gallery, and the turns that change them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.dialogue.applying import Applying
from engine.dialogue.endpoint import Endpoint, EndpointFailed
from engine.dialogue.judge import Judge
from engine.dialogue.moves import Do, Move, Said
from engine.dialogue.rules import read, tidied
from engine.dialogue.state import Asked, Session, Spoken, from_json, to_json
from engine.errors import BadInput, GalleryBusy, ItemNotFound, SessionExpired, SessionNotFound
from engine.filters import parse as parse_filter
from engine.grammar import parse
from engine.options import Options
from engine.query import check
from engine.search import SearchEngine
from engine.store import Store, sessions
from engine.store.words import name_of
from engine.types import Kind, Query, Result

TIME_TO_LIVE = 24 * 3600.0  # seconds without a turn
MAX_SESSIONS = 1_000  # of a gallery; past it the longest unused goes
MAX_SAID = 1_000  # characters of an utterance
MAX_SHOWN = 100  # hits of a turn
TRIES = 20  # where others change the same session meanwhile
LOCKS = 64


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn did: the session after it, its hits (`None` for an empty query), what was understood."""

    said: str | None
    session: Session
    result: Result | None
    understood: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Step:
    """A turn before its search: what to ask now, and what to remember of how."""

    asked: Asked
    understood: tuple[str, ...]
    spoken_of: int | None = None
    notes: tuple[str, ...] = ()
    undone: bool = False


class Sessions:
    """The conversations of a gallery, for any number of threads and processes.

    `time_to_live` counts seconds since the last turn; `endpoint` is asked what the rules leave open; `files`
    lets queries name picture files of this machine. A gallery that was opened read-only keeps its sessions
    only as long as this object. Close it, or use it in a `with`.
    """

    def __init__(
        self,
        engine: SearchEngine,
        *,
        time_to_live: float = TIME_TO_LIVE,
        endpoint: Endpoint | None = None,
        files: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not time_to_live > 0:
            raise BadInput(f"the time to live is {time_to_live} seconds; give sessions more than 0")
        self._engine = engine
        self._ttl = time_to_live
        self._endpoint = endpoint
        self._files = files
        self._clock = clock
        self._judge = Judge(engine.encode, self._fits)
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._folder = TemporaryDirectory() if engine.read_only else None
        self._store = Store(Path(self._folder.name) / "sessions.db") if self._folder else engine.store

    def _fits(self, text: str) -> bool:
        encoder = self._engine.load().encoder
        return encoder.count_tokens(text) <= encoder.text_limit

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is not the gallery's."""
        if self._folder is not None:
            self._store.close()
            self._folder.cleanup()

    def create(self, query: str = "", *, filter: str | None = None, kind: Kind | None = None) -> Session:
        """Begin a session, with a query or with none; sessions that expired long ago are forgotten."""
        asked = self._edited(query, filter, kind)
        now = self._clock()
        new = Session(secrets.token_urlsafe(16), 1, now, now + self._ttl, asked)
        kept = sessions.Kept(new.id, new.version, now, to_json(new))
        sessions.keep(self._store, kept, forget_before=now - 2 * self._ttl, most=MAX_SESSIONS)
        return new

    def show(self, session_id: str) -> Session:
        """Return a session; raises `SessionNotFound`, or `SessionExpired` after its time."""
        kept = sessions.kept(self._store, session_id)
        if kept is None:
            raise SessionNotFound(
                f"there is no session {session_id[:40]}; it was ended, or unused for long: begin a new one"
            )
        expires = kept.used + self._ttl
        if self._clock() >= expires:
            raise SessionExpired(
                f"the session {session_id} expired: it was not used for {_spell(self._ttl)} "
                "(the time to live of sessions is a setting); begin a new one"
            )
        return from_json(kept.state, id=kept.id, version=kept.version, used=kept.used, expires=expires)

    def delete(self, session_id: str) -> None:
        """End a session."""
        if not sessions.forget(self._store, session_id):
            raise SessionNotFound(f"there is no session {session_id[:40]}; it was ended already")

    def say(self, session_id: str, text: str, options: Options | None = None) -> Turn:
        """Refine the query by an utterance, and search. `BadInput` for one that cannot be followed."""
        if not text.strip():
            raise BadInput("nothing was said; type a few words")
        if len(text) > MAX_SAID:
            raise BadInput(f"that is {len(text):,} characters, the limit is {MAX_SAID:,}; say it shorter")
        return self._turn(session_id, text, lambda session: self._understood(session, text), options)

    def edit(
        self,
        session_id: str,
        query: str,
        options: Options | None = None,
        *,
        filter: str | None = None,
        kind: Kind | None = None,
    ) -> Turn:
        """Set query, filter and kind as they are given, and search; what does not parse changes nothing."""
        step = _Step(self._edited(query, filter, kind), ("edited",))
        return self._turn(session_id, None, lambda session: step, options)

    def undo(self, session_id: str, options: Options | None = None) -> Turn:
        """Take the last turn back, and search again."""
        return self._turn(session_id, None, _undone, options)

    def _turn(
        self, session_id: str, said: str | None, step_of: Callable[[Session], _Step], options: Options | None
    ) -> Turn:
        options = options or Options()
        if options.k > MAX_SHOWN:
            raise BadInput(f"k is {options.k}; a turn shows up to {MAX_SHOWN} hits")
        with self._locks[hash(session_id) % LOCKS]:
            for _ in range(TRIES):
                session = self.show(session_id)
                step = step_of(session)
                asked, gone = self._without_gone(step.asked)
                result = self._search(asked, options)
                after = self._after(session, said, replace(step, asked=asked), result)
                kept = sessions.Kept(after.id, after.version, after.used, to_json(after))
                if sessions.change(self._store, kept):
                    return Turn(said, after, result, step.understood, step.notes + gone)
        raise GalleryBusy(f"the session {session_id} is being changed by others; say it again")

    def _after(self, session: Session, said: str | None, step: _Step, result: Result | None) -> Session:
        hits = (result.hits or result.misses) if result else ()
        shown = tuple(hit.item.id for hit in hits if hit.item.id is not None)
        spoken = Spoken(said, step.understood, step.asked.written(), step.asked.filter)
        after = session.after(spoken, step.asked, shown=shown, spoken_of=step.spoken_of)
        if step.undone:
            after = replace(after, before=session.before[:-1])
        now = max(self._clock(), session.used)
        return replace(after, version=session.version + 1, used=now, expires=now + self._ttl)

    def _search(self, asked: Asked, options: Options) -> Result | None:
        if not asked.query.parts:
            return None
        check(asked.query)
        return self._engine.search(
            asked.query,
            k=options.k,
            filter=asked.filter,
            rerank=options.rerank,
            explain=options.explain,
            group=options.group,
            diversity=options.diversity,
            signals=options.signals,
        )

    def _understood(self, session: Session, text: str) -> _Step:
        """Read an utterance: as a query where it is one, else by rules, then by what else there is."""
        undone = session
        line = tidied(text) or text
        said = Said(session.shown, session.spoken_of, self._engine.store.fields(), self._holds)
        moves = _as_query(line) or read(line, said)
        if not session.asked.query.parts and all(move.do in (Do.OPEN, Do.ADD) for move in moves):
            moves = [Move(Do.NEW, line)] if moves[0].do is Do.OPEN else moves
        notes: tuple[str, ...] = ()
        if self._endpoint is not None and any(move.do is Do.OPEN for move in moves):
            try:
                asked = self._endpoint.ask(line, session.asked)
                self._check_files(asked.query)
                check(asked.query)
                return _Step(asked, ("by the language model",))
            except (EndpointFailed, BadInput) as error:
                notes = (f"the language model is of no use here ({error}); understood by the rules",)
        if moves[0].do is Do.UNDO:
            step = _undone(session)
            if len(moves) == 1:
                return step
            undone = replace(session, asked=step.asked)
        applying = Applying(undone.asked, self._judge, self._name, spoken_of=session.spoken_of)
        applying.all([move for move in moves if move.do is not Do.UNDO])
        self._check_files(applying.asked.query)
        return _Step(applying.asked, tuple(applying.understood), applying.spoken_of, notes)

    def _edited(self, query: str, filter: str | None, kind: Kind | None) -> Asked:
        if filter is not None:
            parse_filter(filter)
        parsed = parse(query) if query.strip() else Query(())
        if parsed.parts:
            check(parsed)
        self._check_files(parsed)
        return Asked(replace(parsed, kind=kind), () if filter is None else (filter,))

    def _check_files(self, query: Query) -> None:
        named = next((part.picture for part in query.parts if part.picture is not None), None)
        if isinstance(named, Path) and not self._files:
            raise BadInput(f"{named} names a picture file, and none is read here; put the name in quotes")

    def _without_gone(self, asked: Asked) -> tuple[Asked, tuple[str, ...]]:
        """Leave out the items that are no longer in the gallery, with a note for each."""
        kept, notes = [], []
        for part in asked.query.parts:
            try:
                if part.item is not None:
                    self._engine.get(part.item) if isinstance(part.item, int) else self._engine.find(
                        part.item
                    )
                kept.append(part)
            except ItemNotFound:
                notes.append(f"taken out: like:{part.item}, which is no longer in the gallery")
        return (asked.with_parts(tuple(kept)) if notes else asked), tuple(notes)

    def _name(self, item: int) -> str:
        return f"{name_of(self._engine.get(item).uri)} (item {item})"

    def _holds(self, column: str, value: str) -> bool:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return len(self._engine.store.matching(parse_filter(f'`{column}` = "{quoted}"'))) > 0


def _undone(session: Session) -> _Step:
    if not session.before:
        raise BadInput("there is no turn to take back")
    return _Step(session.before[-1], ("undone",), undone=True)


def _as_query(line: str) -> list[Move] | None:
    """Take an utterance that is written in the query language as what it is."""
    if not line.startswith(('"', "like:", "image:", "phrase:", "+", "-")):
        return None
    return [Move(Do.SUM if line[0] in "+-" else Do.NEW, line)]


def _spell(seconds: float) -> str:
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} seconds"
