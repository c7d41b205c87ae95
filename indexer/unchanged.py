"""Whether the gallery has a thing as it is now, without decoding it; whether it came before in this run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

from engine.changes import Looking, drawn, is_drawn
from engine.errors import EngineError
from engine.pictures import Member
from engine.store.database import storage_errors
from engine.types import Fingerprint, Signal
from indexer.decode import given, picture_source
from indexer.photo import COLUMNS, read_photo
from indexer.sources.columns import MEASURED
from indexer.sources.found import Found, PictureBytes, PictureFile, PictureMember, Unreadable, Words

FROM_PICTURE = COLUMNS | MEASURED  # columns that a picture gives by itself
ASPECTS = ("picture", "words", "metadata", "regions")


class Seen:
    """The uris of one run, each as a number of 64 bits, with a number for each aspect of what was there.

    They lie in a temporary database, which is gone with this: of a million, little is in memory.
    """

    def __init__(self) -> None:
        self._said = sqlite3.connect("")
        self._said.execute("PRAGMA journal_mode=OFF")
        columns = " INTEGER, ".join(ASPECTS)
        self._said.execute(f"CREATE TABLE said (uri INTEGER PRIMARY KEY, {columns} INTEGER)")

    def again(self, found: Found) -> tuple[str, ...] | None:
        """Tell in which aspects a uri that came before is another now, in none of them or several.

        It is `None` for the first time, and for what cannot be read.
        """
        if isinstance(found, Unreadable):
            return None
        uri, now = hash(found.uri), _numbers(found)
        with storage_errors(Path(gettempdir())):
            before = self._said.execute(
                f"SELECT {', '.join(ASPECTS)} FROM said WHERE uri = ?", [uri]
            ).fetchone()
            if before is None:
                self._said.execute("INSERT INTO said VALUES (?, ?, ?, ?, ?)", [uri, *now])
                return None
        aspects = zip(ASPECTS, before, now, strict=True)
        return tuple(name for name, old, new in aspects if old != new and not _is_copy(name, old, found))


def again_reason(aspects: Sequence[str]) -> str:
    """Say why a thing is not taken whose uri came before, with these aspects other than they are now."""
    others = " and ".join(f"another {name}" if name == "picture" else f"other {name}" for name in aspects)
    return (
        f"this uri came before in this run with {others}, and the first one counts; "
        "leave one of the two out, or give each a uri of its own"
    )


def _numbers(found: PictureFile | PictureMember | PictureBytes | Words) -> tuple[int, int, int, int]:
    """Number each aspect; the bytes of a picture, or where in the file that its uri names they are."""
    said = found.described
    if isinstance(found, PictureBytes):
        picture = hash(found.data)
    else:
        picture = found.member.start if isinstance(found, PictureMember) else int(isinstance(found, Words))
    beside = found.sidecars if isinstance(found, PictureFile) else ()
    words = hash((said.captions, beside))
    return picture, words, hash(frozenset(said.metadata.items())), hash(said.regions)


def _is_copy(aspect: str, start: int, found: Found) -> bool:
    """Say whether a tar has the same picture twice under one name, first at `start`."""
    if aspect != "picture" or not isinstance(found, PictureMember):
        return False
    with suppress(OSError):  # decoding the first meets the same and says what it is
        return replace(found.member, start=start).read() == found.member.read()
    return False


def is_unchanged(found: Found, stored: Fingerprint | None, looking: Looking) -> bool:
    """Say whether the gallery has this picture, what is said of it, and every signal made of the two.

    A text is compared by the engine. What is looked for in the picture has to have been found. The bytes of
    a file are read only where its time is another, its size the same, and all else unchanged.
    """
    if stored is None or isinstance(found, Unreadable | Words) or _size(found) not in (None, stored.size):
        return False
    wanted = (
        {Signal.VISUAL}
        | ({Signal.CAPTION} if looking.captioner or (stored.text or "").strip() else set())
        | ({Signal.OCR} if looking.ocr else set())
    )
    if not wanted <= stored.signals or not _has_regions(found, stored, looking):
        return False
    try:
        said = given(found)
    except (EngineError, OSError):
        return False  # decoding meets the same and says what it is
    by_source = {
        name: value
        for name, value in stored.metadata.items()
        if name in said.metadata or name not in FROM_PICTURE
    }
    if by_source != said.metadata:
        return False
    text = said.text
    if text is None and stored.text is not None:
        text = read_photo(picture_source(found)).text  # else its sidecar is gone
    return text == stored.text and _is_same_picture(found, stored)


def new_place(found: Found, stored: Fingerprint | None) -> tuple[int, str] | None:
    """Return time and place of an unchanged picture whose file has another time than the gallery knows."""
    if stored is None or not isinstance(found, PictureFile | PictureMember):
        return None
    place = found.uri if isinstance(found, PictureFile) else found.member.uri
    return None if found.mtime_ns == stored.mtime_ns else (found.mtime_ns, place)


def _has_regions(found: Found, stored: Fingerprint, looking: Looking) -> bool:
    """Say whether the regions are those that the source says, or else those of the detector that looks."""
    if not isinstance(found, Unreadable) and found.described.regions is not None:
        return stored.detector == drawn(found.described.regions)
    return looking.detector is None or is_drawn(stored.detector) or stored.detector == looking.detector.stamp


def _size(found: PictureFile | PictureMember | PictureBytes) -> int | None:
    if isinstance(found, PictureBytes):
        return None  # the gallery knows that of files alone
    return found.size if isinstance(found, PictureFile) else found.member.size


def _is_same_picture(found: PictureFile | PictureMember | PictureBytes, stored: Fingerprint) -> bool:
    if not isinstance(found, PictureBytes) and found.mtime_ns == stored.mtime_ns:
        return True
    source = picture_source(found)
    with suppress(OSError):  # decoding meets the same and says what it is
        data = source.read_bytes() if isinstance(source, Path) else source
        data = data.read() if isinstance(data, Member) else data
        return sha256(data).hexdigest() == stored.digest
    return False
