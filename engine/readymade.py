"""Items whose vectors have been made elsewhere, by the gallery's own model: checked, and taken as they are.

A vector comes without tokens, so a search whose best are among such items is not reranked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Image

from engine.changes import Change
from engine.encoders import Encoder
from engine.errors import BadInput, EngineError
from engine.gallery import Gallery
from engine.ingest import check_item, check_types, prepare
from engine.pictures import load_picture
from engine.store import Store
from engine.store.rows import Record
from engine.types import OWN, Encoded, Floats, Item, Outcome, Report, Signal

if TYPE_CHECKING:
    from engine.search import SearchEngine

ALIKE = 0.99  # cosine of a vector with the one that the model makes of the same thing
TRIED = 8  # things that are encoded again to see
BATCH = 256  # items of one transaction
BLOCK = 4096  # vectors of a FAISS index read at a time


@dataclass(frozen=True, slots=True)
class Ready:
    """An item, the vector (dim,) of its picture or text, and that of its caption where it came with one."""

    item: Item
    vector: Floats
    caption: Floats | None = None


def check_model(some: Sequence[Ready], encoder: Encoder) -> int:
    """Encode a few things again, hold the vectors against them, and return how many there were to try.

    Raises `BadInput` where they are not of this model: another length, or another direction.
    """
    for ready in some:
        _unit(ready.vector, encoder)
    images: list[tuple[Ready, Image]] = []
    texts: list[tuple[Ready, str]] = []
    for ready in some:
        if len(images) + len(texts) == TRIED:
            break
        if ready.item.kind == "text":
            texts.append((ready, ready.item.text or ""))
        elif isinstance(ready.item.picture, Path):
            try:
                images.append((ready, load_picture(ready.item.picture).image))
            except EngineError:  # it will be reported when it is added
                continue
    made = list(encoder.encode_image([image for _, image in images]).vectors) if images else []
    made += list(encoder.encode_text([text for _, text in texts]).vectors) if texts else []
    tried = [ready for ready, _ in images] + [ready for ready, _ in texts]
    for ready, own in zip(tried, made, strict=True):
        cosine = float(own @ _unit(ready.vector, encoder))
        if cosine < ALIKE:
            raise BadInput(
                f"the vector of {ready.item.uri} has a cosine of {cosine:.3f} with the one that "
                f"{encoder.name} makes, and {ALIKE} is needed: another model, or other preprocessing, has "
                "made it; index the pictures themselves with: crosslight index"
            )
    return len(tried)


def take(engine: SearchEngine, found: Iterable[Ready]) -> Report:
    """Add what is found, batch by batch, each in one transaction, and count what became of it."""
    report, remaining = Report(), iter(found)
    with engine.writing():
        serving = engine.serving()
        encoder = serving.load_to_write().encoder
        while batch := list(islice(remaining, BATCH)):
            for outcome in add_ready(batch, serving.store, serving.files, encoder):
                report.count(outcome)
        state = serving.store.state()
        assert state is not None, "an open gallery has a state"
        serving.refresh(state)
    return report


def add_ready(batch: Sequence[Ready], store: Store, gallery: Gallery, encoder: Encoder) -> list[Outcome]:
    """Add items with their vectors in one transaction, and tell what became of each."""
    types = store.types()
    outcomes: list[Outcome] = []
    records: dict[str, Record] = {}
    for ready in batch:
        try:
            record = _record(ready, gallery, encoder)
            check_types(record.metadata, types)
            if record.uri in records:
                raise BadInput("it was there before in this batch; each uri may come once")
        except BadInput as error:
            outcomes.append(Outcome(ready.item.uri, "failed", str(error)))
            continue
        records[record.uri] = record
        outcomes.append(Outcome(record.uri, "added"))
    known = store.known(list(records))
    fresh = {uri: one for uri, one in records.items() if known.get(uri) != replace(one, embeddings={})}
    if fresh:
        store.put(list(fresh.values()))
    return [
        replace(outcome, status="unchanged" if outcome.uri not in fresh else "updated")
        if outcome.status == "added" and outcome.uri in known
        else outcome
        for outcome in outcomes
    ]


def read_faiss(path: Path) -> Iterator[Floats]:
    """Yield the vectors (n, dim) of a FAISS index, in its order; `BadInput` where it does not keep them."""
    import faiss

    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise BadInput(f"{path} is no FAISS index that can be read: {str(error).splitlines()[-1]}") from None
    inner = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    if isinstance(inner, faiss.IndexIVF):
        inner.make_direct_map()
    for start in range(0, inner.ntotal, BLOCK):
        try:
            yield inner.reconstruct_n(start, min(BLOCK, inner.ntotal - start))
        except RuntimeError:
            raise BadInput(f"{path} is a {type(inner).__name__}, which does not keep its vectors") from None


def _record(ready: Ready, gallery: Gallery, encoder: Encoder) -> Record:
    item, vector = ready.item, _unit(ready.vector, encoder)
    change = prepare(item, gallery) if item.kind == "text" or item.picture is not None else _unseen(ready)
    embeddings: dict[Signal, Encoded | None] = {OWN[item.kind]: Encoded(vector[None])}
    if item.kind == "image" and Signal.CAPTION in change.record.signals:
        if ready.caption is not None:
            caption = _unit(ready.caption, encoder)[None]
        else:
            caption = encoder.encode_text([item.text or ""]).vectors
        embeddings[Signal.CAPTION] = Encoded(caption)
    return replace(change.record, embeddings=embeddings)


def _unseen(ready: Ready) -> Change:
    """Describe a picture that is not on this machine: all there is of it is its vector."""
    item = ready.item
    check_item(item)
    signals = {Signal.VISUAL, Signal.CAPTION} if (item.text or "").strip() else {Signal.VISUAL}
    digest = hashlib.sha256(b"vector:" + ready.vector.astype("<f4").tobytes()).hexdigest()
    record = Record(
        item.uri,
        "image",
        item.text,
        None,
        digest,
        None,
        None,
        dict(item.metadata),
        signals=frozenset(signals),
    )
    return Change(record, None)


def _unit(vector: Floats, encoder: Encoder) -> Floats:
    if vector.shape != (encoder.dim,):
        raise BadInput(f"a vector has {vector.size} numbers, those of {encoder.name} have {encoder.dim}")
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length == 0:
        raise BadInput("the vector is all zeros or not finite, so it could never be found")
    unit: Floats = (vector / length).astype(np.float32)
    return unit
