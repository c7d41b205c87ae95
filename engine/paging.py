"""Pages that hold still while items come and go: what a cursor says, and how it is written.

A cursor names the items shown so far and the newest one there was when the first page was made. Ids
only grow and none is used twice, so whatever arrives later is known by its id and left out, and what
was not shown yet is still to come, however the scores of the others have moved.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.options import Options
from engine.types import Bitmap, PictureSource, Query

WIDTHS = (4, 8)  # bytes of a number; a cursor begins with its own
DIGEST = 8  # bytes of each checksum


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: after `shown`, among the items whose id is at most `newest`.

    `hits` have been shown; `shown` has more ids than that where near-duplicates stood behind them.
    """

    newest: int
    hits: int
    shown: frozenset[int]

    def allowed(self) -> Bitmap:
        """Name the items that were there when the first page was made."""
        return np.ones(self.newest + 1, dtype=bool)


def asked_for(query: Query, options: Options) -> str:
    """Write down what makes two searches pages of one: query and options, but for `k` and `explain`."""
    if any(part.picture is not None for part in query.parts):
        parts = [replace(part, picture=_pictured(part.picture)) for part in query.parts]
        query = replace(query, parts=tuple(parts))
    return repr((query, options.paged))


def _pictured(picture: PictureSource | None) -> PictureSource | None:
    if isinstance(picture, bytes):
        return hashlib.blake2b(picture).digest()
    return picture if isinstance(picture, Path | None) else Path(picture.digest)


def write_cursor(cursor: Cursor, *, gallery: str, asked: str) -> str:
    """Write a cursor for one gallery and one query, url-safe."""
    numbers = [cursor.newest, cursor.hits, *sorted(cursor.shown)]
    width = WIDTHS[max(numbers) >= 256 ** WIDTHS[0]]
    written = np.array(numbers, dtype=f"<u{width}").tobytes()
    body = bytes([width]) + _digest(asked.encode(), gallery) + written
    return base64.urlsafe_b64encode(body + _digest(body, gallery)).decode().rstrip("=")


def read_cursor(text: str, *, gallery: str, asked: str) -> Cursor:
    """Read a cursor back; raises `BadInput` for one that is damaged, foreign, or of another query."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    body, checksum = raw[:-DIGEST], raw[-DIGEST:]
    if len(raw) <= 2 * DIGEST or body[0] not in WIDTHS or checksum != _digest(body, gallery):
        raise BadInput(
            f"page {_shortened(text)} is no page of this gallery; take next_page of a result, or leave it out"
        )
    if body[1 : 1 + DIGEST] != _digest(asked.encode(), gallery):
        raise BadInput("the page belongs to another query; ask as for the page before, or leave page out")
    newest, hits, *shown = np.frombuffer(body, dtype=f"<u{body[0]}", offset=1 + DIGEST).tolist()
    return Cursor(newest, hits, frozenset(shown))


def _digest(content: bytes, gallery: str) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST, key=gallery.encode()[:64]).digest()


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}…")
