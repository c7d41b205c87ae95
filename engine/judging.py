"""Texts and pictures that need not be in the gallery: encoded, and judged against a query in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.errors import BadInput, ItemNotFound
from engine.hybrid import total
from engine.models import Model
from engine.pictures import Picture, load_picture
from engine.query import check_part
from engine.rerank import Candidates, Read, Reranker
from engine.serving import Serving
from engine.types import Encoded, Floats, Kind, Part, Signal

AT_ONCE = 100  # documents that a reranker reads at a time
Meant: TypeAlias = tuple[Kind, "str | Picture | Encoded"]  # a text, a picture, what was made of an item


@dataclass(frozen=True, slots=True)
class Judged:
    """How well n documents fit a query: (n,) scores on one scale, higher is better.

    `probabilities` (n,), of being the one meant among these,
    are there where the model is calibrated for such pairs. `reranked` says that the
    reranker has read them; else a score is the cosine of query and document.
    """

    scores: Floats
    probabilities: Floats | None
    reranked: bool


def encode(parts: Sequence[Part], serving: Serving) -> Floats:
    """Return the unit vectors (n, dim) of texts, pictures and items; a text that is too long is refused."""
    model = serving.load()
    meant = [_meant(part, serving) for part in parts]
    for one in meant:
        _check_length(one, model)
    rows = [made.vectors for _, made in _encoded(meant, model)]
    return np.concatenate(rows) if rows else np.empty((0, model.encoder.dim), dtype=np.float32)


def judge(query: Part, documents: Sequence[Part], serving: Serving) -> Judged:
    """Score documents against a query: by a reranker of tokens where it can read all of them, else by cosine.

    A text among the documents that is too long is cut; a query is refused.
    """
    model = serving.load()
    asked = _meant(query, serving)
    meant = [_meant(document, serving) for document in documents]
    return serving.model_thread.run(lambda: judged(asked, meant, model))


def judged(asked: Meant, documents: Sequence[Meant], model: Model) -> Judged:
    """Score documents against a query, as `judge` does, with a model alone; one thread at a time."""
    if not documents:
        raise BadInput("there is nothing to judge; give at least one document")
    _check_length(asked, model)
    (kind, own), *read = _encoded([asked, *documents], model)
    cosines = _cosines(kind, own, read, model)
    reranker, of = model.reranker, read[0][0]
    reads = reranker is not None and reranker.reads == "tokens" and _readable(of, own, read)
    if reranker is None or not reads or not reranker.supports(kind, of):
        return Judged(cosines, None, reranked=False)
    scores = _scored(reranker, kind, own, read, cosines)
    chances = reranker.probability(scores, kind, of, len(documents))
    return Judged(scores, chances, reranked=True)


def _meant(part: Part, serving: Serving) -> Meant:
    check_part(part)
    if part.text is not None:
        return "text", part.text
    if part.picture is not None:
        return "image", part.picture if isinstance(part.picture, Picture) else load_picture(part.picture)
    item = serving.store.find(part.item) if isinstance(part.item, str) else part.item
    found = {} if item is None else serving.store.embeddings(item)
    if not found:
        raise ItemNotFound(f"no item {part.item} is in the gallery; it may have been removed")
    if Signal.VISUAL in found:
        return "image", found[Signal.VISUAL]
    return "text", found[Signal.CAPTION]


def _check_length(one: Meant, model: Model) -> None:
    text = one[1]
    if isinstance(text, str):
        tokens, limit = model.encoder.count_tokens(text), model.encoder.text_limit
        if tokens > limit:
            raise BadInput(
                f"the text {text[:40]!r} has {tokens} tokens, {model.encoder.name} reads {limit}; "
                "make it shorter"
            )


def _encoded(meant: Sequence[Meant], model: Model) -> list[tuple[Kind, Encoded]]:
    """Encode all texts in one call, and all pictures in one."""
    rows: dict[int, Encoded] = {n: one for n, (_, one) in enumerate(meant) if isinstance(one, Encoded)}
    texts = {n: one for n, (_, one) in enumerate(meant) if isinstance(one, str)}
    pictures = {n: one.image for n, (_, one) in enumerate(meant) if isinstance(one, Picture)}
    if texts:
        made = model.encoder.encode_text(list(texts.values()))
        rows.update((place, made.row(n)) for n, place in enumerate(texts))
    if pictures:
        made = model.encoder.encode_image(list(pictures.values()))
        rows.update((place, made.row(n)) for n, place in enumerate(pictures))
    return [(kind, rows[n]) for n, (kind, _) in enumerate(meant)]


def _cosines(kind: Kind, own: Encoded, read: Sequence[tuple[Kind, Encoded]], model: Model) -> Floats:
    """Hold the query against each document: (n,); words ask pictures as the gallery has learned to."""
    to_pictures = own.vectors
    if kind == "text" and model.reencoder is not None:
        to_pictures = model.reencoder.reencode(own.vectors)
    asked = {"image": to_pictures[0], "text": own.vectors[0]}
    return np.array([asked[of] @ made.vectors[0] for of, made in read], dtype=np.float32)


def _readable(of: Kind, own: Encoded, read: Sequence[tuple[Kind, Encoded]]) -> bool:
    """Say whether query and documents have tokens, and the documents are of one kind."""
    return own.tokens is not None and all(kind == of and made.tokens is not None for kind, made in read)


def _scored(
    reranker: Reranker, kind: Kind, own: Encoded, read: Sequence[tuple[Kind, Encoded]], cosines: Floats
) -> Floats:
    scores = []
    for start in range(0, len(read), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        candidates = _candidates(read[0][0], [made for _, made in read[some]], cosines[some])
        scores.append(total(reranker.score(Read(kind, "", own), candidates)))
    return np.concatenate(scores)


def _candidates(kind: Kind, read: Sequence[Encoded], cosines: Floats) -> Candidates:
    """Put documents side by side; texts that were encoded apart may have room for more tokens or fewer."""
    tokens = [made.tokens[0] for made in read if made.tokens is not None]
    longest = max(len(own) for own in tokens)
    lengths = np.array([made.lengths[0] for made in read if made.lengths is not None], dtype=np.int16)
    padded = np.stack([np.pad(own, ((0, longest - len(own)), (0, 0))) for own in tokens])
    return Candidates(kind, np.arange(len(read)), cosines, padded, lengths)
