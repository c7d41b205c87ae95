"""Writing files so that nothing is lost, and what to say when the disk will not."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import StorageFailed

BLOCK, BLOCKS = 4096, 64  # of a file, what is looked at to know it again: reading it all takes too long


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a failing write into an error a person can act on."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"cannot write under {path}: {error.strerror or error}; free some space or check the rights, "
            "then try again (what was committed before is intact)"
        ) from error


def file_print(path: Path) -> str:
    """Return the size of a file and a hash of blocks all over it: enough to tell it from another's."""
    size = path.stat().st_size
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        for start in range(0, size, max(BLOCK, size // BLOCKS)):
            file.seek(start)
            digest.update(file.read(BLOCK))
    return f"{size}:{digest.hexdigest()}"


def sync(path: Path) -> None:
    """Have what was written to a file or a directory reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def held(directory: Path) -> Iterator[bool]:
    """Hold a directory, which ends with the process at the latest; `False` where another holds it already."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # or the file system has no such locks
            yield False
        else:
            yield True
    finally:
        os.close(handle)
