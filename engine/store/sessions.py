"""Conversations in the store. They are no part of what is searched: the gallery's revision stays as it is.

Each call is one short transaction, and none takes the writer lock: SQLite lets the writer of a batch and
the writer of a turn take turns.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update

from engine.store import Store
from engine.store.models import SessionRow


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as it is stored; `used` is when it was changed last, in seconds since 1970."""

    id: str
    version: int
    used: float
    state: str


def keep(store: Store, new: Kept, *, forget_before: float, most: int) -> None:
    """Write a new session; those unused since a time go, and the longest unused while there are too many."""
    with store.writing() as session:
        session.execute(delete(SessionRow).where(SessionRow.used < forget_before))
        count = session.scalar(select(func.count()).select_from(SessionRow)) or 0
        if count >= most:
            oldest = select(SessionRow.id).order_by(SessionRow.used, SessionRow.id).limit(count - most + 1)
            session.execute(delete(SessionRow).where(SessionRow.id.in_(oldest)))
        values = {"id": new.id, "version": new.version, "used": new.used, "state": new.state}
        session.execute(insert(SessionRow), [values])


def kept(store: Store, session_id: str) -> Kept | None:
    """Return a session, `None` where there is none of that id."""
    columns = (SessionRow.id, SessionRow.version, SessionRow.used, SessionRow.state)
    with store.reading() as session:
        row = session.execute(select(*columns).where(SessionRow.id == session_id)).first()
        return Kept(*row) if row else None


def change(store: Store, new: Kept) -> bool:
    """Write what comes after version `new.version - 1`; `False` when another has been there first."""
    with store.writing() as session:
        mine = (SessionRow.id == new.id, SessionRow.version == new.version - 1)
        values = {"version": new.version, "used": new.used, "state": new.state}
        changed = session.execute(update(SessionRow).where(*mine).values(values).returning(SessionRow.id))
        return changed.first() is not None


def forget(store: Store, session_id: str) -> bool:
    """Remove a session; `False` where there is none of that id."""
    with store.writing() as session:
        gone = delete(SessionRow).where(SessionRow.id == session_id).returning(SessionRow.id)
        return session.execute(gone).first() is not None
