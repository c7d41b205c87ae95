"""What has changed of an item, and what is therefore made anew: vectors, and the text read in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.encoders import Encoder
from engine.ocr import read_text
from engine.pictures import Picture
from engine.store import Store
from engine.store.rows import Record
from engine.types import OWN, Encoded, Signal


@dataclass(frozen=True, slots=True)
class Change:
    """An item as it is to be written, and as the gallery has it under this uri, or the one it moved from."""

    record: Record
    picture: Picture | None
    old: Record | None = None

    @property
    def content(self) -> tuple[str, str]:
        """What the item's own vector is made of."""
        return self.record.kind, self.record.digest

    def keeps(self, signal: Signal) -> bool:
        """Say whether what was made of the item for a signal still holds."""
        old, new = self.old, self.record
        if old is None or old.kind != new.kind or signal not in old.signals:
            return False
        return old.text == new.text if signal is Signal.CAPTION else old.digest == new.digest

    def lacks(self, signal: Signal) -> bool:
        """Say whether a signal that the item is to have has to be made."""
        return signal in self.record.signals and not self.keeps(signal)

    def since(self, old: Record | None, *, ocr: bool) -> Change:
        """Compare with what the gallery has; text in a picture is kept as read, or read if `ocr` is set."""
        change = replace(self, old=old)
        reading = old.reading if old is not None and change.keeps(Signal.OCR) else None
        if reading is None and (self.picture is None or not ocr):
            return change
        record = replace(self.record, reading=reading, signals=self.record.signals | {Signal.OCR})
        return replace(change, record=record)


def made(changes: Sequence[Change], store: Store, encoder: Encoder) -> list[Record]:
    """Return the records to write, in the order given, each with what it lacked.

    A content is encoded once, however many uris it has and whenever they came.
    """
    own = _contents([change for change in changes if change.lacks(OWN[change.record.kind])], store, encoder)
    captions = _captions([change for change in changes if change.picture], encoder)
    pictures = {c.record.uri: c.picture.image for c in changes if c.picture and c.lacks(Signal.OCR)}
    readings = dict(zip(pictures, read_text(list(pictures.values())), strict=True)) if pictures else {}
    return [
        replace(
            change.record,
            embeddings=_embeddings(change, own, captions),
            reading=readings.get(change.record.uri, change.record.reading),
        )
        for change in changes
    ]


def _embeddings(
    change: Change, own: dict[tuple[str, str], Encoded], captions: dict[str, Encoded]
) -> dict[Signal, Encoded | None]:
    """Return the vectors that are new, and `None` for a signal that the item no longer has."""
    embeddings: dict[Signal, Encoded | None] = {}
    for signal in (Signal.VISUAL, Signal.CAPTION):
        if signal not in change.record.signals:
            embeddings[signal] = None
        elif change.lacks(signal) and signal is OWN[change.record.kind]:
            embeddings[signal] = own[change.content]
        elif change.lacks(signal):
            embeddings[signal] = captions[change.record.text or ""]
    return embeddings


def _contents(changes: Sequence[Change], store: Store, encoder: Encoder) -> dict[tuple[str, str], Encoded]:
    wanted = {change.content: change for change in changes}
    rows = store.embeddings_of(change.record.digest for change in wanted.values()) if wanted else {}
    new = [change for content, change in wanted.items() if content not in rows]
    pictures = [change for change in new if change.picture is not None]
    texts = [change for change in new if change.picture is None]
    if pictures:
        encoded = encoder.encode_image([c.picture.image for c in pictures if c.picture is not None])
        rows.update({change.content: encoded.row(n) for n, change in enumerate(pictures)})
    if texts:
        encoded = encoder.encode_text([change.record.text or "" for change in texts])
        rows.update({change.content: encoded.row(n) for n, change in enumerate(texts)})
    return rows


def _captions(changes: Sequence[Change], encoder: Encoder) -> dict[str, Encoded]:
    """Encode the captions of pictures, by what they say; no reranker reads their tokens, so none are kept."""
    wanted = (change for change in changes if change.lacks(Signal.CAPTION))
    texts = list(dict.fromkeys(change.record.text or "" for change in wanted))
    if not texts:
        return {}
    vectors = encoder.encode_text(texts).vectors
    return {text: Encoded(vectors[n : n + 1]) for n, text in enumerate(texts)}
