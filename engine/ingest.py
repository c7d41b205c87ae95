"""One batch on its way in: read, compare with what is there, encode what is new, write.

A bad item is named in the report with its reason and keeps the row it had; the rest goes on. The
batch is one transaction of the store.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.changes import Change, Looking, drawn, made
from engine.encoders import Encoder
from engine.errors import BadInput
from engine.gallery import Gallery
from engine.languages import is_unicode
from engine.pictures import Picture, file_uri, is_gone, load_picture, member_at, uri_path
from engine.store import Store
from engine.store.conditions import BUILT_IN
from engine.store.facts import type_of
from engine.store.rows import Record
from engine.types import Item, Outcome, Scalar, Signal

MAX_TEXT = 1_000_000  # characters of one item's words
MAX_URI = 4096
MAX_INTEGER = 2**63 - 1
UNSOUND = "the model made a vector of it that is all zeros or not finite, so it could never be found"


def add_batch(
    items: Iterable[Item | Path | str],
    store: Store,
    gallery: Gallery,
    encoder: Encoder,
    looking: Looking,
) -> list[Outcome]:
    """Add a batch and tell what became of each item, in order; of several with one uri the last counts.

    `looking` says what is looked for in its pictures.
    """
    read: list[Change | Outcome] = []
    for given in items:
        try:
            read.append(prepare(_as_item(given), gallery))
        except BadInput as error:
            read.append(Outcome(_name(given), "failed", str(error)))
    read = _of_one_type(read, store)
    prepared = {new.record.uri: new for new in read if isinstance(new, Change)}
    known = store.known(list(prepared))
    moved = _moved([new.record for uri, new in prepared.items() if uri not in known], store)
    before = known | {new: old for new, was in moved.items() for old in store.known([was]).values()}
    read = [
        one if isinstance(one, Outcome) else one.since(before.get(one.record.uri), looking) for one in read
    ]
    changes = {one.record.uri: one for one in read if isinstance(one, Change)}
    changed = [change for uri, change in changes.items() if known.get(uri) != change.record]
    unsound: set[str] = set()
    if changed:
        records = made(changed, store, encoder, looking)
        unsound = {record.uri for record in records if not _is_sound(record)}
        store.put([record for record in records if record.uri not in unsound], moved)
    outcomes = _outcomes(read, known, moved)
    return [Outcome(o.uri, "failed", UNSOUND) if o.uri in unsound else o for o in outcomes]


def _of_one_type(read: Sequence[Change | Outcome], store: Store) -> list[Change | Outcome]:
    """Fail what brings a column another type than the items have that stay as they are.

    What fails keeps its row, and so the types of that: what was read is then held to them as well.
    """
    keep = {one.uri for one in read if isinstance(one, Outcome)}
    while True:
        changing = [new.record.uri for new in read if isinstance(new, Change)]
        types = store.types(but=[uri for uri in changing if uri not in keep])
        checked = [_typed(one, types) for one in read]
        failed = {one.uri for one in checked if isinstance(one, Outcome)}
        if failed <= keep:
            return checked
        keep |= failed


def _typed(new: Change | Outcome, types: dict[str, str]) -> Change | Outcome:
    if isinstance(new, Change):
        try:
            check_types(new.record.metadata, types)
        except BadInput as error:
            return Outcome(new.record.uri, "failed", str(error))
    return new


def _is_sound(record: Record) -> bool:
    made = record.embeddings
    return all(np.isfinite(e.vectors).all() and e.vectors.any() for e in made.values() if e is not None)


def _outcomes(
    read: Sequence[Change | Outcome], known: Mapping[str, Record], moved: Mapping[str, str]
) -> list[Outcome]:
    """Tell what became of each item; one whose uri came before in the batch is held against that one."""
    before = dict(known)
    outcomes: list[Outcome] = []
    for new in read:
        if isinstance(new, Outcome):
            outcomes.append(new)
            continue
        old, uri = before.get(new.record.uri), new.record.uri
        if old is None:
            outcomes.append(Outcome(uri, "moved" if uri in moved else "added"))
        elif old == replace(new.record, size=old.size, mtime_ns=old.mtime_ns):
            outcomes.append(Outcome(uri, "unchanged"))  # a new date alone is nothing that a reader would see
        else:
            outcomes.append(Outcome(uri, "updated"))
        before[uri] = new.record
    return outcomes


def _moved(records: Sequence[Record], store: Store) -> dict[str, str]:
    """Find the new files, and members of tars, whose content the gallery has from a file that is gone."""
    files = [record for record in records if _file_of(record.uri, record.picture)]
    twins = store.places_of(record.digest for record in files) if files else {}
    gone = {
        digest: (uri for uri, place in places if (path := _file_of(uri, place)) and is_gone(path))
        for digest, places in twins.items()
    }
    found = ((record.uri, next(gone.get(record.digest, iter(())), None)) for record in files)
    return {uri: old for uri, old in found if old is not None}


def _file_of(uri: str, place: str | None) -> Path | None:
    """Return the file that an item is, or is a member of; `None` where it lies elsewhere."""
    member = member_at(place) if place else None
    return member.path if member else uri_path(uri) if place == uri else None


def _as_item(given: Item | Path | str) -> Item:
    if isinstance(given, Item):
        return given
    return Item(uri=file_uri(Path(given)), picture=Path(given))


def _name(given: Item | Path | str) -> str:
    return given.uri if isinstance(given, Item) else file_uri(Path(given))


def prepare(item: Item, gallery: Gallery) -> Change:
    """Read an item: what is to be written of it, less what a model makes; `BadInput` where it cannot be."""
    check_item(item)
    if item.kind == "text":
        assert item.text is not None
        digest = hashlib.sha256(item.text.encode()).hexdigest()
        signals = frozenset({Signal.CAPTION})
        record = Record(
            item.uri, "text", item.text, None, digest, None, None, dict(item.metadata), signals=signals
        )
        return Change(record, None)
    source = item.picture or uri_path(item.uri)
    if source is None:
        raise BadInput("a picture item needs its picture: a path, bytes, or a uri that is a file: URI")
    picture = source if isinstance(source, Picture) else load_picture(source)
    picture_uri: str | None = picture.origin or (item.uri if uri_path(item.uri) else None)
    if isinstance(source, Path):
        picture_uri = file_uri(source)
    elif isinstance(source, bytes):
        picture_uri = gallery.keep_upload(source, picture)
    metadata: dict[str, Scalar] = {
        **item.metadata,
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
    }
    record = Record(
        uri=item.uri,
        kind="image",
        text=item.text,
        picture=picture_uri,
        digest=picture.digest,
        size=picture.size,
        mtime_ns=picture.mtime_ns,
        metadata=metadata,
        signals=frozenset({Signal.VISUAL, Signal.CAPTION} if (item.text or "").strip() else {Signal.VISUAL}),
    )
    if item.regions is not None:
        by, signals = drawn(item.regions), record.signals | {Signal.OBJECTS}
        record = replace(record, detector=by, regions=item.regions, signals=signals)
    return Change(record, picture)


def check_item(item: Item) -> None:
    """Raise `BadInput` for a uri, a text or metadata that a gallery cannot keep."""
    if not item.uri or len(item.uri) > MAX_URI:
        raise BadInput(f"a uri has 1 to {MAX_URI} characters, this one has {len(item.uri)}")
    if item.kind == "text" and not (item.text and item.text.strip()):
        raise BadInput("a text item needs text")
    if item.text is not None and len(item.text) > MAX_TEXT:
        raise BadInput(f"the text has {len(item.text):,} characters, the limit is {MAX_TEXT:,}; split it")
    texts = [value for value in item.metadata.values() if isinstance(value, str)]
    texts += [region.label for region in item.regions or ()]
    for words in (item.uri, item.text or "", *item.metadata, *texts):
        if "\x00" in words or not is_unicode(words):
            raise BadInput(f"{words[:60]!r} is not valid Unicode text; for a file name use a file: URI")
    _check_values(item.metadata)
    for region in item.regions or ():
        box = (region.box.x, region.box.y, region.box.width, region.box.height)
        if not all(0 <= number <= 1 for number in (*box, region.score)) or not region.label.strip():
            raise BadInput(
                f"a region is a label and a box in shares of the picture, not {region.label!r} {box}"
            )


def _check_values(metadata: Mapping[str, Scalar]) -> None:
    for key, value in metadata.items():
        if key in BUILT_IN:
            raise BadInput(f"metadata cannot have a column {key!r}, every item has one; give it another name")
        if not isinstance(value, str | int | float | bool | None):
            raise BadInput(
                f"metadata {key!r} is a {type(value).__name__}; only text, numbers, true/false fit"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"metadata {key!r} is {value}; only finite numbers fit")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise BadInput(f"metadata {key!r} is over {MAX_INTEGER:,}; keep such a number as text")


def check_types(metadata: dict[str, Scalar], types: dict[str, str]) -> None:
    """Hold each column to the type of its first value; new columns are added to `types`."""
    for name, value in metadata.items():
        kind = type_of(value)
        if kind is not None and types.get(name, kind) != kind:
            raise BadInput(
                f"metadata {name!r} is a {kind} ({value!r}) here and a {types[name]} in this gallery; "
                f"convert it, give it another name, or first take it out where it is a {types[name]}"
            )
    types.update({name: kind for name, value in metadata.items() if (kind := type_of(value))})
