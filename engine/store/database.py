"""Open the database: SQLite's settings, the migrations, and its errors in our words."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, text
from sqlalchemy.exc import DatabaseError, OperationalError

from engine.errors import GalleryMismatch, StorageFailed

BUSY_SECONDS = 10.0
CONNECTIONS = 128  # at most, two for every thread; each is kept, as opening one takes a millisecond
MIGRATIONS = Path(__file__).parent / "migrations"


def connect(path: Path, *, read_only: bool) -> Engine:
    """Open SQLite at `path` and bring its tables up to date; `read_only` never changes the file.

    Raises `GalleryMismatch` for a file that is not a gallery, or is newer than this program.
    """
    url = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    if read_only and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        url += "&immutable=1"  # WAL needs a file beside the database even to read; here nobody can write
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            url, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
        ),
        poolclass=QueuePool,
        pool_size=CONNECTIONS,
        pool_use_lifo=True,  # few connections, whose pages are in memory, serve many threads
    )
    event.listen(engine, "connect", _read_only_settings if read_only else _settings)
    event.listen(engine, "begin", _begin)
    with storage_errors(path):
        _migrate(engine, path, read_only)
    return engine


class Watch:
    """Tells whether anything was committed to a database, by anybody, far sooner than a query would."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._connection: Any = None

    def version(self) -> int | None:
        """Return a number that is another one after every commit, `None` where the file will not say."""
        with self._lock, suppress(sqlite3.DatabaseError):
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            return int(self._connection.driver_connection.execute("PRAGMA data_version").fetchone()[0])
        return None

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


class Askers:
    """Connections that wait for the next question, without the checks of a pool, which cost as much as it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: deque[Asker] = deque()

    def one(self) -> Asker:
        """Lend one to a thread; each statement sees what was committed before it."""
        try:
            return self._idle.pop()
        except IndexError:
            return Asker(self._engine.raw_connection(), self._idle)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().pooled.close()


class Asker:
    """A connection that is lent, and idle again afterwards."""

    def __init__(self, pooled: Any, idle: deque[Asker]) -> None:
        self.pooled, self._idle = pooled, idle
        self._driver: sqlite3.Connection = pooled.driver_connection

    def __enter__(self) -> sqlite3.Connection:
        return self._driver

    def __exit__(self, *_raised: object) -> None:
        self._idle.append(self)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the database says of a bad file or a full disk into an error a person can act on."""
    try:
        yield
    except (OperationalError, sqlite3.OperationalError) as error:
        raise StorageFailed(
            f"cannot write or read {path}: {_said(error)}; free some space or check the rights, then try "
            "again (what was committed before is intact)"
        ) from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        raise GalleryMismatch(f"{path} is not a gallery's database: {_said(error)}") from error


def _said(error: Exception) -> object:
    """Return what the driver said, without what SQLAlchemy adds."""
    return error.orig if isinstance(error, DatabaseError) else error


def _settings(connection: Any, _record: object) -> None:
    # WAL lets readers go on while one process writes. With it, synchronous=NORMAL survives any kill
    # of the process; only a power cut can cost the last transactions, and never the file.
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;")


def _begin(connection: Connection) -> None:
    # sqlite3 begins a transaction only before a write; with this, reads of one transaction agree too.
    # One that will write says so at once: to read first, and then find that another has written, is an error.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _read_only_settings(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only=ON")


def _is_current(engine: Engine) -> bool:
    """Say whether the tables are those of the newest migration, without loading what migrates."""
    newest = max(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    with engine.connect() as connection, suppress(OperationalError):  # a new file has no such table
        return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == newest)
    return False


def _migrate(engine: Engine, path: Path, read_only: bool) -> None:
    if _is_current(engine):
        return
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current == scripts.get_current_head():
            return
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise GalleryMismatch(
                f"{path} was written by a newer Crosslight (schema {current}, this one knows "
                f"{scripts.get_current_head()}); upgrade Crosslight to open it"
            )
        if read_only:
            raise GalleryMismatch(
                f"{path} has schema {current}, this Crosslight needs {scripts.get_current_head()}; "
                "open it once for writing to bring it up to date"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
