"""Whether the gallery has a thing as it is now, without decoding it; whether it came before in this run."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir

from engine.changes import Looking, drawn, is_drawn
from engine.errors import EngineError
from engine.store.database import storage_errors
from engine.types import Fingerprint, Signal
from indexer.decode import given, picture_source
from indexer.photo import COLUMNS, read_photo
from indexer.sources.columns import MEASURED
from indexer.sources.found import Found, PictureBytes, PictureFile, PictureMember, Unreadable, Words

FROM_PICTURE = COLUMNS | MEASURED  # columns that a picture gives by itself
AGAIN = "this uri came before in this run with other words, and the first one counts"


class Seen:
    """The uris of one run, each as a number of 64 bits, with a number for what was said of it.

    They lie in a temporary database, which is gone with this: of a million, little is in memory.
    """

    def __init__(self) -> None:
        self._said = sqlite3.connect("")
        self._said.execute("PRAGMA journal_mode=OFF")
        self._said.execute("CREATE TABLE said (uri INTEGER PRIMARY KEY, words INTEGER)")

    def again(self, found: Found) -> bool | None:
        """Say whether this uri came before: `None` not, `True` with the same words, `False` with others."""
        if isinstance(found, Unreadable):
            return None
        uri, of = hash(found.uri), found.described
        words = hash((of.captions, tuple(of.metadata.items()), of.regions))
        with storage_errors(Path(gettempdir())):
            before = self._said.execute("SELECT words FROM said WHERE uri = ?", [uri]).fetchone()
            if before is None:
                self._said.execute("INSERT INTO said VALUES (?, ?)", [uri, words])
        return None if before is None else bool(before[0] == words)


def is_unchanged(found: Found, stored: Fingerprint | None, looking: Looking) -> bool:
    """Say whether the gallery has this picture, what is said of it, and every signal made of the two.

    A text is compared by the engine. What is looked for in the picture has to have been found.
    """
    if stored is None or isinstance(found, Unreadable | Words) or not _is_same_picture(found, stored):
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
    if said.text is not None or stored.text is None:
        return said.text == stored.text
    return read_photo(picture_source(found)).text == stored.text  # else its sidecar is gone


def _has_regions(found: Found, stored: Fingerprint, looking: Looking) -> bool:
    """Say whether the regions are those that the source says, or else those of the detector that looks."""
    if not isinstance(found, Unreadable) and found.described.regions is not None:
        return stored.detector == drawn(found.described.regions)
    return looking.detector is None or is_drawn(stored.detector) or stored.detector == looking.detector.stamp


def _is_same_picture(found: PictureFile | PictureMember | PictureBytes, stored: Fingerprint) -> bool:
    if isinstance(found, PictureBytes):
        return sha256(found.data).hexdigest() == stored.digest
    size = found.size if isinstance(found, PictureFile) else found.member.size
    return (stored.size, stored.mtime_ns) == (size, found.mtime_ns)
