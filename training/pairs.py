"""A gallery's own pairs: its pictures with their captions, as the model encoded them, and split.

No picture is encoded: vectors and tokens come out of the store. Captions are, which is fast.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.encoders import Encoder
from engine.errors import BadInput
from engine.gallery import Gallery as Files
from engine.store import Store
from engine.types import Encoded, Kind, Signal
from training.checkpoints import Note
from training.gallery import Gallery, Ints

log = logging.getLogger("training")
MOST = 20_000  # pictures, chosen by the seed: their tokens are held in memory
FEWEST = 40
HELD = 400  # pictures held back for each of two ends, at most; and at most one in HELD_SHARE
HELD_SHARE = 8
BATCH = 256
PICTURES = ("image", Signal.VISUAL)
Progress = Callable[[str, int, int], None]  # stage, done, of how many
Captions = Mapping[str, Sequence[str]]  # by uri


@dataclass(frozen=True)
class Pairs:
    """A gallery of pictures and captions; `train`, `fit` and `gate` share out its pictures by place.

    `fit` is for blend and calibration, `gate` for the last word; nothing else sees them. `digest`
    names all of it, for checkpoints.
    """

    gallery: Gallery
    train: Ints
    fit: Ints
    gate: Ints
    digest: str

    def captions(self, pictures: Ints) -> Ints:
        """Tell which captions are of those pictures."""
        return np.flatnonzero(np.isin(self.gallery.owner, pictures))

    def part(self, pictures: Ints) -> Gallery:
        """Return the gallery of those pictures alone."""
        whole, chosen = self.gallery, np.sort(pictures)
        texts = self.captions(chosen)
        return Gallery(
            whole.pictures[chosen],
            whole.cells[chosen],
            whole.texts[texts],
            whole.words[texts],
            whole.lengths[texts],
            np.searchsorted(chosen, whole.owner[texts]),
        )


def read_pairs(
    path: Path,
    encoder: Encoder,
    given: Captions | None,
    seed: int,
    progress: Progress,
    note: Note = log.warning,
) -> Pairs:
    """Read and split the captioned pictures of the gallery at `path`.

    `given` are captions by uri in place of the gallery's own; `note` is told how many of their pictures the
    gallery does not have. Raises `BadInput` where there are too few.
    """
    with closing(Store(Files.at(path, create=False).database)) as store:
        captions = _captions(store, given, note)
        if len(captions) > MOST:
            chosen = np.random.default_rng((seed, 1)).permutation(sorted(captions))[:MOST].tolist()
            captions = {item_id: captions[item_id] for item_id in chosen}
        pictures = _pictures(store, captions)
    if len(captions := {i: captions[i] for i in pictures.ids}) < FEWEST:
        raise BadInput(
            f"{path} has {len(captions)} different pictures with captions, training needs {FEWEST} at least; "
            "give captions of more of them with --pairs FILE"
        )
    texts = [text for item_id in pictures.ids for text in captions[item_id]]
    words = _encode(encoder, texts, progress)
    owner = np.repeat(np.arange(len(captions)), [len(captions[i]) for i in pictures.ids])
    order = np.random.default_rng((seed, 2)).permutation(len(captions))
    held = min(HELD, len(captions) // HELD_SHARE)
    named = "\n".join([*map(str, pictures.ids), *texts, encoder.stamp, str(seed)])
    return Pairs(
        _joined(pictures, words, owner),
        train=order[2 * held :],
        fit=order[:held],
        gate=order[held : 2 * held],
        digest=hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest(),
    )


@dataclass(frozen=True)
class _Pictures:
    ids: list[int]
    encoded: Encoded


def _captions(store: Store, given: Captions | None, note: Note) -> dict[int, tuple[str, ...]]:
    """Take the captions of each picture, by id."""
    if given is None:
        ids = _ids(store)
        texts = {i: item.text for i, (item, _) in store.items(ids).items() if item.kind == "image"}
        found = {
            i: tuple(line for line in (text or "").splitlines() if line.strip()) for i, text in texts.items()
        }
    else:
        known = {uri: store.find(uri) for uri in given}
        found = {item_id: tuple(given[uri]) for uri, item_id in known.items() if item_id is not None}
        unknown = [uri for uri, item_id in known.items() if item_id is None]
        if given and not found:
            raise BadInput(
                f"none of the {len(given)} pictures of the pairs is in the gallery, such as {unknown[0]}"
            )
        if unknown:
            said = f"{len(unknown)} of the {len(given)} pictures of the pairs are not in the gallery"
            note(f"{said} and are left out, such as {unknown[0]}")
    return {item_id: captions for item_id, captions in sorted(found.items()) if captions}


def _ids(store: Store) -> list[int]:
    with store.changes(0) as changes:
        return [i for ids, place, _ in changes.embeddings if place == PICTURES for i in ids.tolist()]


def _pictures(store: Store, wanted: Mapping[int, object]) -> _Pictures:
    """Read the stored vectors and tokens; of pictures that are the same the first is taken."""
    ids: list[int] = []
    rows: list[Encoded] = []
    seen: set[bytes] = set()
    with store.changes(0) as changes:
        for item_id, row in _rows(changes.embeddings):
            content = row.vectors.tobytes()
            if item_id in wanted and content not in seen:
                seen.add(content)
                ids.append(item_id)
                rows.append(row)
    return _Pictures(ids, _stacked(rows))


def _rows(batches: Iterator[tuple[Ints, tuple[Kind, Signal], Encoded]]) -> Iterator[tuple[int, Encoded]]:
    for ids, place, encoded in batches:
        if place == PICTURES:
            yield from ((item_id, encoded.row(place)) for place, item_id in enumerate(ids.tolist()))


def _encode(encoder: Encoder, texts: Sequence[str], progress: Progress) -> Encoded:
    parts = []
    for start in range(0, len(texts), BATCH):
        parts.append(encoder.encode_text(texts[start : start + BATCH]))
        progress("captions", min(start + BATCH, len(texts)), len(texts))
    return _stacked(parts)


def _stacked(parts: Sequence[Encoded]) -> Encoded:
    if not parts:
        return Encoded(np.empty((0, 1), np.float32))
    vectors = np.concatenate([part.vectors for part in parts])
    tokens = [part.tokens for part in parts if part.tokens is not None]
    lengths = [part.lengths for part in parts if part.lengths is not None]
    if len(tokens) < len(parts):
        return Encoded(vectors)
    return Encoded(vectors, np.concatenate(tokens), np.concatenate(lengths))


def _joined(pictures: _Pictures, words: Encoded, owner: Ints) -> Gallery:
    lengths = np.zeros(len(words), np.int64) if words.lengths is None else words.lengths.astype(np.int64)
    return Gallery(
        torch.from_numpy(pictures.encoded.vectors),
        _tokens(pictures.encoded),
        torch.from_numpy(words.vectors),
        _tokens(words),
        torch.from_numpy(lengths),
        owner,
    )


def _tokens(encoded: Encoded) -> Tensor:
    """Return the tokens (n, t, d), none of them where the model makes none."""
    if encoded.tokens is None:
        return torch.empty(len(encoded), 0, 0, dtype=torch.int8)
    return torch.from_numpy(encoded.tokens)
