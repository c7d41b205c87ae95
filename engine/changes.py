"""What has changed of an item, and what is therefore made anew: vectors, captions, text read in pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.detection import Finder
from engine.encoders import Encoder
from engine.ocr import read_text
from engine.pictures import Picture
from engine.store import Store
from engine.store.rows import Record
from engine.telling import Captioner, TokenCaptioner
from engine.types import OWN, Encoded, LabeledRegion, Signal

DRAWN = "drawn/"


def drawn(regions: Sequence[LabeledRegion]) -> str:
    """Name regions that people have drawn, in place of a detector's stamp: it changes with them."""
    said = repr([(region.label, region.box, region.score) for region in regions])
    return DRAWN + hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def is_drawn(detector: str | None) -> bool:
    """Say whether people have drawn the regions; no detector's take their place."""
    return detector is not None and detector.startswith(DRAWN)


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked for in pictures beside what their vectors say: text in them, and regions."""

    ocr: bool = False
    detector: Finder | None = None
    captioner: Captioner | None = None


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
        return old.said == new.said if signal is Signal.CAPTION else old.digest == new.digest

    def lacks(self, signal: Signal) -> bool:
        """Say whether a signal that the item is to have has to be made."""
        return signal in self.record.signals and not self.keeps(signal)

    @property
    def to_tell(self) -> bool:
        """Say whether a machine is to write the caption."""
        return self.picture is not None and Signal.CAPTION in self.record.signals and not self.record.said

    def since(self, old: Record | None, looking: Looking) -> Change:
        """Compare with what the gallery has; what was found in a picture is kept, or looked for if wanted.

        So is a caption that a machine wrote, as long as there is none of people's.
        """
        return replace(self, old=old)._told(looking)._found(looking)

    def _told(self, looking: Looking) -> Change:
        if self.picture is None or self.record.said:
            return self
        old = self.old
        told = old.generated if old is not None and old.digest == self.record.digest else None
        if told is None and looking.captioner is None:
            return self
        signals = self.record.signals | {Signal.CAPTION}
        return replace(self, record=replace(self.record, generated=told, signals=signals))

    def _found(self, looking: Looking) -> Change:
        old, change, record = self.old, self, self.record
        reading = old.reading if old is not None and change.keeps(Signal.OCR) else None
        if reading is not None or (self.picture is not None and looking.ocr):
            record = replace(record, reading=reading, signals=record.signals | {Signal.OCR})
        if record.detector is None:  # else people have drawn its regions, and here they are
            detector = old.detector if old is not None and change.keeps(Signal.OBJECTS) else None
            if looking.detector is not None and self.picture and not is_drawn(detector):
                detector = looking.detector.stamp
            signals = record.signals | ({Signal.OBJECTS} if detector else frozenset())
            record = replace(record, detector=detector, signals=signals)
        return replace(change, record=record)

    @property
    def lacks_regions(self) -> bool:
        """Say whether a detector has to look for the regions."""
        was = self.old.detector if self.old is not None and self.keeps(Signal.OBJECTS) else None
        return self.record.detector not in (None, was) and self.record.regions is None


def made(changes: Sequence[Change], store: Store, encoder: Encoder, looking: Looking) -> list[Record]:
    """Return the records to write, in the order given, each with what it lacked.

    A content is encoded once, however many uris it has and whenever they came.
    """
    own = _contents([change for change in changes if change.lacks(OWN[change.record.kind])], store, encoder)
    changes = _told(changes, own, encoder, looking.captioner)
    captions = _captions([change for change in changes if change.picture], encoder)
    pictures = {c.record.uri: c.picture.image for c in changes if c.picture and c.lacks(Signal.OCR)}
    readings = dict(zip(pictures, read_text(list(pictures.values())), strict=True)) if pictures else {}
    detector = looking.detector
    unseen = {c.record.uri: c.picture.image for c in changes if c.picture and c.lacks_regions}
    found = (
        dict(zip(unseen, detector.detect(list(unseen.values())), strict=True)) if detector and unseen else {}
    )
    return [
        replace(
            change.record,
            embeddings=_embeddings(change, own, captions),
            reading=readings.get(change.record.uri, change.record.reading),
            regions=found.get(change.record.uri, change.record.regions),
        )
        for change in changes
    ]


def _told(
    changes: Sequence[Change],
    own: dict[tuple[str, str], Encoded],
    encoder: Encoder,
    captioner: Captioner | None,
) -> list[Change]:
    """Write the captions that are due; from the tokens just made, where the captioner reads those."""
    pictures = {c.content: c.picture.image for c in changes if c.to_tell and c.picture}
    if captioner is None or not pictures:
        return list(changes)
    told: dict[tuple[str, str], str] = {}
    if isinstance(captioner, TokenCaptioner) and captioner.stamp == encoder.stamp:
        for content in pictures.keys() & own.keys():
            tokens = own[content].tokens
            if tokens is not None:
                told[content] = captioner.caption_tokens(tokens)[0][0].text
    rest = [content for content in pictures if content not in told]
    if rest:
        written = captioner.caption([pictures[content] for content in rest])
        told.update({content: found[0].text for content, found in zip(rest, written, strict=True)})
    return [
        replace(c, record=replace(c.record, generated=told[c.content])) if c.to_tell else c for c in changes
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
            embeddings[signal] = captions[change.record.said]
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
    texts = list(dict.fromkeys(change.record.said for change in wanted))
    if not texts:
        return {}
    vectors = encoder.encode_text(texts).vectors
    return {text: Encoded(vectors[n : n + 1]) for n, text in enumerate(texts)}
