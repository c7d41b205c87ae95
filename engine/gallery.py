"""A gallery on disk: one directory, which file lies where, and who may write.

gallery.db      SQLite, the truth
generations/    index and token files derived from it, one directory a revision
uploads/        pictures that were handed over as bytes, by their SHA-256
thumbs/         a cache of thumbnails
trained/        what the gallery has learned, see engine.learned
server/         what a service keeps of the galleries it serves: keys.json is who may use it, by hashes
writer.lock     held by the one process that writes; writer.json tells who it is
migration.lock  held by the one process that changes the model, with migration.json
training.lock   held by the one process that trains what the gallery learns, with training.json
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from errno import ENOENT, ESTALE
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from engine.errors import BadInput, GalleryBusy
from engine.files import disk_errors, write_whole
from engine.pictures import Picture, member_at, uri_path

if TYPE_CHECKING:
    from filelock import FileLock

UPLOAD_SCHEME = "upload:"
THUMBNAIL_SIZES = (16, 1024)


class Gallery:
    """Paths of a gallery's directory, its writer lock and its picture files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "gallery.db"
        self.generations = path / "generations"
        self.uploads = path / "uploads"
        self.server = path / "server"
        self.keys = self.server / "keys.json"

    @cached_property
    def _lock(self) -> FileLock:
        return _file_lock(self.path / "writer.lock")

    @cached_property
    def _migration_lock(self) -> FileLock:
        return _file_lock(self.path / "migration.lock")

    @cached_property
    def _training_lock(self) -> FileLock:
        return _file_lock(self.path / "training.lock")

    @classmethod
    def at(cls, path: Path, *, create: bool) -> Gallery:
        """Find the gallery at `path`, or make its directory."""
        gallery = cls(path)
        if gallery.database.is_file():
            return gallery
        if not create:
            raise BadInput(
                f"there is no gallery at {path}; make one with: crosslight index SOURCE --gallery {path}"
            )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise BadInput(f"{path} is not a gallery and not empty; choose a new or an empty directory")
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return gallery

    def writing(self) -> AbstractContextManager[None]:
        """Be the one writer for a while; raise `GalleryBusy` with the name of the one who is.

        It may be entered again by whoever holds it.
        """
        return self._holding(self._lock, "writer.json", "written")

    def migrating(self) -> AbstractContextManager[None]:
        """Be the one who changes the gallery's model; others may write meanwhile."""
        return self._holding(self._migration_lock, "migration.json", "migrated")

    def training(self) -> AbstractContextManager[None]:
        """Be the one who trains what the gallery learns, which would undo what another keeps meanwhile."""
        return self._holding(self._training_lock, "training.json", "trained")

    @contextmanager
    def _holding(self, lock: FileLock, note: str, doing: str) -> Iterator[None]:
        from filelock import Timeout

        with disk_errors(self.path):
            try:
                lock.acquire()
            except Timeout:
                raise GalleryBusy(
                    f"{self.path} is being {doing} by {self.holder(note) or 'another process'}; "
                    "wait for it to end, or stop it"
                ) from None
            self._write_holder(note)
        try:
            yield
        finally:
            if lock.lock_counter == 1:
                (self.path / note).unlink(missing_ok=True)
            lock.release()

    def holder(self, note: str = "writer.json") -> str | None:
        """Describe the writer as its own note does, while it holds the lock: who is killed leaves a note."""
        try:
            said = json.loads((self.path / note).read_text("utf-8"))
            if not _is_held((self.path / note).with_suffix(".lock")):
                return None
            return f"process {said['pid']} on {said['host']} since {said['since']} ({said['command']})"
        except (OSError, ValueError, KeyError):
            return None

    def _write_holder(self, note: str) -> None:
        said = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(sys.argv)[:200],
        }
        (self.path / note).write_text(json.dumps(said), "utf-8")

    def sizes(self) -> dict[str, int]:
        """Return the bytes on disk of each part of the gallery."""
        sizes = {"database": sum(p.stat().st_size for p in self.path.glob("gallery.db*"))}
        for name in ("generations", "uploads", "thumbs"):
            sizes[name] = sum(p.stat().st_size for p in (self.path / name).rglob("*") if p.is_file())
        return sizes

    def keep_upload(self, data: bytes, picture: Picture) -> str:
        """Keep a picture's bytes under their digest; return the URI that names them."""
        name = f"{picture.digest}.{picture.format.lower()}"
        with disk_errors(self.path):
            write_whole(self.uploads / name, data)
        return UPLOAD_SCHEME + quote(name)

    def picture_path(self, picture_uri: str | None) -> Path | None:
        """Return where the picture lies that `picture_uri` names."""
        if picture_uri is None:
            return None
        if picture_uri.startswith(UPLOAD_SCHEME):
            return self.uploads / picture_uri.removeprefix(UPLOAD_SCHEME)
        return uri_path(picture_uri)

    def read_picture(self, picture_uri: str, digest: str) -> bytes:
        """Read a picture's bytes again; `OSError` when they are gone, or a tar has others in their place."""
        member = member_at(picture_uri)
        if member is not None:
            data = member.read()
            if sha256(data).hexdigest() != digest:
                raise OSError(ESTALE, f"{member.path} has changed; index it again")
            return data
        path = self.picture_path(picture_uri)
        if path is None:
            raise OSError(ENOENT, "no such file")
        return path.read_bytes()

    def thumbnail(self, digest: str, size: int, load: Callable[[], Picture]) -> bytes:
        """Return a WebP whose longer side is at most `size` pixels; `load` is called if it is not cached."""
        low, high = THUMBNAIL_SIZES
        if not low <= size <= high:
            raise BadInput(f"a thumbnail of {size} pixels is out of range; ask for {low} to {high}")
        path = self.path / "thumbs" / f"{digest}-{size}.webp"
        if path.is_file():
            return path.read_bytes()
        small = load().image.copy()
        small.thumbnail((size, size))
        out = BytesIO()
        small.save(out, "WEBP", quality=82)
        with suppress(OSError):  # a gallery on a full or read-only disk still shows its thumbnails
            write_whole(path, out.getvalue())
        return out.getvalue()


def _file_lock(path: Path) -> FileLock:
    from filelock import FileLock  # loaded by who writes: a first search from a shell would wait for it

    return FileLock(path, timeout=0, thread_local=False)


def _is_held(lock: Path) -> bool:
    """Say whether any process holds a lock, this one too, by taking a share of it for a moment."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
