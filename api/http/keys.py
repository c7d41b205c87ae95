"""API keys: who may do what. A key is shown once, when it is made; only its SHA-256 is kept.

A key has 256 random bits, so it needs no slow hash: nobody can try enough of them. The file is read
again whenever it has changed, so a key that is revoked is refused at the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, cast

from filelock import FileLock

from engine.errors import BadInput

Scope: TypeAlias = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
PREFIX = "cl"


@dataclass(frozen=True, slots=True)
class Key:
    """One API key as it is kept: never the key itself."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: str
    revoked: str | None = None


class Keys:
    """The file of keys. Without a file there are none, and whoever reaches the service may do all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._keys: tuple[Key, ...] = ()
        self._needed = False

    @property
    def needed(self) -> bool:
        """Whether a request needs a key. Once it did it always does, even if the file goes away."""
        self.listed()
        return self._needed

    def listed(self) -> tuple[Key, ...]:
        """Return every key, revoked ones too, in the order they were made."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return ()
        if self._seen != (stat.st_mtime_ns, stat.st_ino):
            self._keys = _read(self.path)
            self._seen = stat.st_mtime_ns, stat.st_ino
            self._needed = True
        return self._keys

    def check(self, given: str) -> Key | None:
        """Return the valid key that was given, or `None`."""
        digest = _digest(given)
        for key in self.listed():
            if hmac.compare_digest(key.sha256, digest) and key.revoked is None:
                return key
        return None

    def create(self, name: str, scopes: Sequence[str]) -> tuple[Key, str]:
        """Make a key, and return it with its text, which is nowhere kept."""
        if not name.strip() or len(name) > 100:
            raise BadInput(f"the name {name!r} does not do; give the key 1 to 100 characters")
        for scope in scopes:
            if scope not in SCOPES:
                raise BadInput(f"there is no scope {scope!r}; there is {', '.join(SCOPES)}")
        if not scopes:
            raise BadInput(f"a key needs a scope, one or more of {', '.join(SCOPES)}")
        key_id = secrets.token_hex(4)
        text = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        kept = tuple(scope for scope in SCOPES if scope in scopes)
        key = Key(key_id, name.strip(), kept, _digest(text), _now())
        with self._changing():
            self._write((*self.listed(), key))
        return key, text

    def revoke(self, which: str) -> Key:
        """Refuse a key from now on, by its id or its name; `BadInput` where that names none, or several."""
        with self._changing():
            keys = self.listed()
            valid = [key for key in keys if key.revoked is None]
            found = [k for k in valid if k.id == which] or [k for k in valid if k.name == which]
            if len(found) != 1:
                some = ", ".join(f"{key.id} ({key.name})" for key in found or valid) or "none"
                raise BadInput(f"{which!r} names {len(found)} valid keys; name one of: {some}")
            gone = replace(found[0], revoked=_now())
            self._write(tuple(gone if key.id == gone.id else key for key in keys))
        return gone

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=10):
            yield

    def _write(self, keys: Sequence[Key]) -> None:
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)


def _read(path: Path) -> tuple[Key, ...]:
    try:
        listed = json.loads(path.read_text("utf-8"))["keys"]
        return tuple(
            Key(**{**one, "scopes": cast(tuple[Scope, ...], tuple(one["scopes"]))}) for one in listed
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is no file of API keys ({error}); mend it, or make the keys anew") from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
