"""What a session remembers, and how it is written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.grammar import parse
from engine.types import Kind, Part, Query
from engine.written import written

MAX_TURNS = 100  # that a session remembers; older ones are forgotten
MAX_UNDO = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for: a query, which has no parts while nothing is, and filters that must all hold."""

    query: Query = field(default_factory=lambda: Query(()))
    filters: tuple[str, ...] = ()

    @property
    def filter(self) -> str | None:
        """All filters as one."""
        if len(self.filters) < 2:
            return self.filters[0] if self.filters else None
        return " and ".join(f"({one})" for one in self.filters)

    @property
    def texts(self) -> list[str]:
        """What is looked for in words."""
        return [part.text for part in self.query.parts if part.text is not None and part.weight > 0]

    def with_parts(self, parts: tuple[Part, ...]) -> Asked:
        return replace(self, query=replace(self.query, parts=parts))

    def written(self) -> str:
        """Write the query as text."""
        return written(self.query) or "" if self.query.parts else ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn as it is remembered: what was said (`None`: an edit), what was understood, what came of it."""

    said: str | None
    understood: tuple[str, ...]
    written: str
    filter: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation at one moment.

    `shown` are the ids of the hits last shown, `spoken_of` the item last named; `before` is what was
    asked before, for undo; `used` and `expires` are in seconds since 1970.
    """

    id: str
    version: int
    used: float
    expires: float
    asked: Asked = Asked()
    shown: tuple[int, ...] = ()
    spoken_of: int | None = None
    before: tuple[Asked, ...] = ()
    turns: tuple[Spoken, ...] = ()

    def after(
        self, spoken: Spoken, asked: Asked, *, shown: tuple[int, ...], spoken_of: int | None
    ) -> Session:
        """Return the session after a turn, which undo can take back."""
        before = (*self.before, self.asked)[-MAX_UNDO:]
        turns = (*self.turns, spoken)[-MAX_TURNS:]
        return replace(self, asked=asked, shown=shown, spoken_of=spoken_of, before=before, turns=turns)


def to_json(session: Session) -> str:
    """Write what a session remembers."""
    return json.dumps(
        {
            "asked": _asked(session.asked),
            "shown": session.shown,
            "spoken_of": session.spoken_of,
            "before": [_asked(asked) for asked in session.before],
            "turns": [[turn.said, turn.understood, turn.written, turn.filter] for turn in session.turns],
        },
        ensure_ascii=False,
    )


def from_json(text: str, *, id: str, version: int, used: float, expires: float) -> Session:
    """Read what `to_json` has written."""
    told: dict[str, Any] = json.loads(text)
    return Session(
        id=id,
        version=version,
        used=used,
        expires=expires,
        asked=_read(told["asked"]),
        shown=tuple(told["shown"]),
        spoken_of=told["spoken_of"],
        before=tuple(_read(asked) for asked in told["before"]),
        turns=tuple(Spoken(said, tuple(lines), *rest) for said, lines, *rest in told["turns"]),
    )


def _asked(asked: Asked) -> dict[str, Any]:
    return {"query": asked.written(), "kind": asked.query.kind, "filters": asked.filters}


def _read(told: Mapping[str, Any]) -> Asked:
    kind: Kind | None = told["kind"]
    query = parse(told["query"]) if told["query"] else Query(())
    return Asked(replace(query, kind=kind), tuple(told["filters"]))
