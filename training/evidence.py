"""What searches see when something matches and when nothing does, in galleries of several sizes.

That a picture matches a query is read off its captions: one of them means about the same, as the
published all-MiniLM-L6-v2 sees it. A query that matches nothing is one whose matching pictures, all of
them, have been taken out of the gallery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from engine.calibration import evidence
from engine.encoders.mini import MiniEncoder
from engine.encoders.mini_shape import WordPieces
from engine.encoders.mini_towers import TextTower
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, mini_weights
from engine.types import Encoded
from training.columns import Columns
from training.data import Photo
from training.gallery import Floats, Ints
from training.measure import encode_pictures

SAME = 0.6  # cosine of two captions' sentence vectors from which they mean about the same
BATCH = 64
ASKING = 2  # captions of each photograph that ask; never the first, where it has others
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    """q queries, `rows` (q,) of the texts, and n pictures; `owner` (q,) is each query's own, or -1.

    `cosines` (q, n), and `alike` (q, n): whether the picture matches the query, its own or not. `words` (q,)
    are the queries as they are written.
    """

    pictures: Encoded
    texts: Encoded
    words: tuple[str, ...]
    rows: Ints
    owner: Ints
    cosines: Floats
    alike: Bools


@dataclass(frozen=True)
class Samples(Columns):
    """m searches: their `evidence` (m, 5), the number of `items` searched, whether something `matches`.

    Where nothing does, `removed` says that only the query's own picture was taken out.
    """

    evidence: npt.NDArray[np.float64]
    items: Ints
    matches: Bools
    removed: Bools
    query: Ints


@torch.inference_mode()
def meanings(captions: Sequence[str]) -> Floats:
    """Return the published model's sentence vectors (n, TEXT_WIDTH), unit length."""
    tower, pieces = (
        TextTower(load_file(mini_weights() / TEXT_TOWER)),
        WordPieces(mini_weights() / TOKENIZER),
    )
    vectors = []
    for start in range(0, len(captions), BATCH):
        ids, real = map(torch.from_numpy, pieces.encode(captions[start : start + BATCH]))
        hidden = tower.finish(tower.start(ids, real), real)
        share = real[..., None] / real.sum(1)[:, None, None]
        vectors.append(F.normalize((hidden * share).sum(1), dim=-1))
    found: Floats = torch.cat(vectors).numpy()
    return found


def encode(encoder: MiniEncoder, photos: Sequence[Photo], asking: int | None = None) -> Asked:
    """Encode photographs; some captions of the first `asking` (default: all) are the queries."""
    pictures = encode_pictures(encoder, photos)
    owner = np.repeat(np.arange(len(photos)), [len(photo.captions) for photo in photos])
    captions = [caption for photo in photos for caption in photo.captions]
    means = meanings(captions)
    first = np.searchsorted(owner, np.arange(len(photos)))
    place = np.arange(len(owner)) - first[owner]
    several = np.bincount(owner)[owner] > 1
    queries = (place >= several) & (place < several + ASKING)
    queries &= owner < (len(photos) if asking is None else asking)
    words = tuple(caption for caption, is_query in zip(captions, queries, strict=True) if is_query)
    texts = encoder.encode_text(words)
    alike = np.maximum.reduceat(means[queries] @ means.T, first, axis=1) >= SAME  # (q, n)
    cosines = texts.vectors @ pictures.vectors.T
    return Asked(pictures, texts, words, np.arange(len(texts)), owner[queries], cosines, alike)


def ask(asked: Asked, queries: Bools, pictures: Bools, owner: Ints | None = None) -> Asked:
    """Put some of the queries to some of the pictures, each query's own being at `owner` (default: none)."""
    some, encoded = np.flatnonzero(queries), asked.pictures
    assert encoded.tokens is not None and encoded.lengths is not None
    return Asked(
        Encoded(encoded.vectors[pictures], encoded.tokens[pictures], encoded.lengths[pictures]),
        asked.texts,
        tuple(asked.words[query] for query in some.tolist()),
        asked.rows[some],
        np.full(len(some), -1) if owner is None else owner,
        asked.cosines[np.ix_(queries, pictures)],
        asked.alike[np.ix_(queries, pictures)],
    )


def summed(asked: Asked) -> Asked:
    """Make one query of each two captions of a picture that follow each other: their sum."""
    first = np.flatnonzero(asked.owner[:-1] == asked.owner[1:])
    first = first[asked.owner[first] >= 0]
    sums = asked.texts.vectors[asked.rows[first]] + asked.texts.vectors[asked.rows[first + 1]]
    vectors = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return Asked(
        asked.pictures,
        Encoded(vectors),
        tuple(f"{asked.words[place]} + {asked.words[place + 1]}" for place in first.tolist()),
        np.arange(len(first)),
        asked.owner[first],
        vectors @ asked.pictures.vectors.T,
        asked.alike[first] | asked.alike[first + 1],
    )


Said = Callable[[int, Ints], Floats]  # the scores of some pictures for a query


def samples(
    asked: Asked, sizes: Sequence[int], count: int, rng: np.random.Generator, said: Said | None = None
) -> Samples:
    """Search galleries of random pictures by some queries, with what matches and without it.

    What is `said` of pictures is their cosine by default. Each query is put to a gallery with its own
    picture, to the same without that, and without all that match. One
    without a picture of its own is put to the last kind alone.
    """
    rows: list[tuple[npt.NDArray[np.float64], int, bool, bool, int]] = []
    for query in rng.permutation(len(asked.cosines))[:count].tolist():
        cosines, own = asked.cosines[query], int(asked.owner[query])
        strangers = np.delete(np.arange(len(cosines)), own) if own >= 0 else np.arange(len(cosines))
        for size in sizes:
            if size > len(strangers):
                continue
            among = rng.permutation(strangers)[:size]
            kinds = {"none": among[~asked.alike[query, among]]}
            if own >= 0:
                kinds |= {"match": np.append(among[:-1], own), "removed": among}
            for kind, chosen in kinds.items():
                if len(chosen) >= min(sizes):
                    scores = cosines[chosen] if said is None else said(query, chosen)
                    told = evidence(-np.sort(-scores))
                    rows.append((told, size, kind == "match", kind == "removed", query))
    return Samples(*(np.array(column) for column in zip(*rows, strict=True)))
