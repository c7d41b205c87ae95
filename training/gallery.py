"""A gallery of photographs and their captions, encoded, with what the reranker makes of its lists.

Used on training photographs to teach the cross-attention, on held-back ones to learn the blend and
the calibration, and on the validation ones to measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.encoders.mini_shape import TEXT_LIMIT
from engine.fusion import FusionModel
from training.features import CaptionStates
from training.heads import without_ends
from training.model import Model
from training.precision import narrow, products

DEPTH = 100  # candidates the reranker reads, as in the engine
TEXT_TO_IMAGE, IMAGE_TO_TEXT = "text-to-image", "image-to-text"
DIRECTIONS = (TEXT_TO_IMAGE, IMAGE_TO_TEXT)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Gallery:
    """n pictures and m captions; `owner` (m,) is each caption's picture.

    `pictures` (n, DIM), `cells` (n, cells, TOKEN_DIM) int8, `texts` (m, DIM), `words` (m, w,
    TOKEN_DIM) int8 of which `lengths` (m,) are real.
    """

    pictures: Tensor
    cells: Tensor
    texts: Tensor
    words: Tensor
    lengths: Tensor
    owner: Ints

    def recall(self, direction: str, queries: Ints) -> Floats:
        """Score some queries of a direction against all it can find, by cosine: (q, n or m)."""
        sides = (self.texts, self.pictures) if direction == TEXT_TO_IMAGE else (self.pictures, self.texts)
        scores: Floats = (sides[0][queries] @ sides[1].T).numpy()
        return scores


@dataclass(frozen=True)
class Lists:
    """The candidates of each query: `candidates` (q, depth), best first by recall.

    `parts` (q, depth, 3) are recall, late interaction and cross-attention; `relevant` (q, depth).
    """

    candidates: Ints
    parts: Floats
    relevant: npt.NDArray[np.bool_]


@torch.inference_mode()
def encode(
    model: Model, states: CaptionStates, kept: Sequence[npt.NDArray[np.float16]], positions: Sequence[int]
) -> Gallery:
    """Encode photographs and all their captions from the kept features; `kept` is of each network."""
    pictures, cells = encode_pictures(model, kept, positions)
    captions = [c for i in positions for c in range(states.first[i], states.first[i + 1])]
    owner = np.repeat(np.arange(len(positions)), [states.first[i + 1] - states.first[i] for i in positions])
    texts, words, lengths = [], [], []
    for start in range(0, len(captions), 256):
        hidden, real = states.batch(captions[start : start + 256], TEXT_LIMIT)
        with products():
            vectors, tokens = model.texts(hidden, real)
        texts.append(vectors)
        inner = (
            (tokens.float() * 127).round().to(torch.int8)[:, 1:]
        )  # without [CLS]; [SEP] is past the length
        words.append(F.pad(inner, (0, 0, 0, TEXT_LIMIT - inner.shape[1])))
        lengths.append(without_ends(real).sum(1))
    return Gallery(pictures, cells, torch.cat(texts), torch.cat(words), torch.cat(lengths), owner)


@torch.inference_mode()
def encode_pictures(
    model: Model, kept: Sequence[npt.NDArray[np.float16]], positions: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Encode photographs from each network's activations of one view: vectors (n, DIM) and int8 tokens."""
    vectors, cells = [], []
    for start in range(0, len(positions), 128):
        some = [torch.from_numpy(own[positions[start : start + 128]]) for own in kept]
        with products():
            found, tokens = model.pictures([narrow(own).permute(0, 3, 1, 2) for own in some])
        vectors.append(found)
        cells.append((tokens.float() * 127).round().to(torch.int8))
    return torch.cat(vectors), torch.cat(cells)


def unit(tokens: Tensor) -> Tensor:
    """Undo the quantization of tokens."""
    return tokens.float() / 127


@torch.inference_mode()
def lists(fusion: FusionModel, gallery: Gallery, direction: str, queries: Ints | None = None) -> Lists:
    """Take each query's best candidates by recall and let the fusion model judge them."""
    asked = gallery.texts if direction == TEXT_TO_IMAGE else gallery.pictures
    chosen = np.arange(len(asked)) if queries is None else queries
    recall = gallery.recall(direction, chosen)
    order = np.argsort(-recall, axis=1, kind="stable")[:, :DEPTH]
    parts = np.empty((*order.shape, 3), np.float32)
    parts[..., 0] = np.take_along_axis(recall, order, 1)
    relevant = np.empty(order.shape, np.bool_)
    for row, (query, candidates) in enumerate(zip(chosen, order, strict=True)):
        texts, pictures = ([query], candidates) if direction == TEXT_TO_IMAGE else (candidates, [query])
        lengths = gallery.lengths[texts]
        longest = max(1, int(lengths.max()))
        real = torch.arange(longest) < lengths[:, None]
        judged = fusion(unit(gallery.words[texts, :longest]), real, unit(gallery.cells[pictures]))
        parts[row, :, 1], parts[row, :, 2] = (part.numpy() for part in judged)
        relevant[row] = gallery.owner[texts] == np.asarray(pictures)
    return Lists(order, parts, relevant)
