"""Stage 2, heads: the joint space and the tokens, by contrast between pictures and captions.

One loop trains both heads, the late interaction over the tokens and, when asked to, the last
parts of both towers. The loss is the sum of
- picture against caption vectors in the batch (CLIP, arXiv 2103.00020), every caption of a picture
  being a positive, with a share of the target spread over captions that mean the same by the
  published language model (a soft target);
- late interaction in the batch (FILIP, arXiv 2111.07783);
- when asked to, caption against caption, of pictures that are not here (`captions.py`).
What is kept is the running average of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from training.captions import CaptionPairs
from training.checkpoints import Resume, weights_digest
from training.data import SEED, Photo, digest, select
from training.descent import Schedule, descend, head_groups, open_top
from training.features import CaptionStates
from training.model import Model
from training.precision import narrow, products

Ints = npt.NDArray[np.int64]
PIECES = 20  # of a caption are read in training; few have more, and all are padded to the longest


@dataclass(frozen=True)
class Recipe:
    """The dials of one run of this stage."""

    epochs: int
    batch: int = 128  # pictures
    captions: int = 1  # of each picture in a batch
    head_rate: float = 1e-3
    image_rate: float = 0.0  # of the last part of the image tower; 0 leaves it as it is
    text_rate: float = 0.0
    decay: float = 0.05
    soft_share: float = 0.2
    word_drop: float = 0.0  # share of word pieces left out
    average: float = 0.996
    views: int = 2
    pairs: int = 0  # of captions without pictures, in a batch


@dataclass(frozen=True)
class Feed:
    """Where batches come from: kept features of the training photographs, and captions alone."""

    photos: Sequence[Photo]
    states: CaptionStates
    views: Sequence[Sequence[npt.NDArray[np.float16]]]  # of each network
    corpus: CaptionPairs

    @cached_property
    def digest(self) -> str:
        """Name the data: photographs and captions."""
        return f"{digest(self.photos)} {self.corpus.digest}"

    def batches(self, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, Ints]]:
        """Give one epoch's batches: activations, and the captions of each picture (n, recipe.captions)."""
        order = rng.permutation(select(self.photos, "train"))
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            chosen = order[start : start + recipe.batch]
            low = self.states.first[chosen, None]
            count = self.states.first[chosen + 1, None] - low
            offset = rng.integers(count) + np.arange(recipe.captions)
            yield window(self.views[0][: recipe.views], chosen, rng), low + offset % count


def window(views: Sequence[npt.NDArray[np.float16]], chosen: Ints, rng: np.random.Generator) -> Tensor:
    """Take one view of each photograph and cut a square window out of its activations.

    A crop made after the frozen stem costs nothing, and leaves less for the top to work through
    (as masking does in FLIP, arXiv 2212.00794).
    Odd sides at even places keep the phase of the stride that follows.
    """
    side = int(rng.choice([11, 13, 15, 17]))
    view = rng.integers(len(views), size=len(chosen))
    corners = 2 * rng.integers((17 - side) // 2 + 1, size=(len(chosen), 2))
    array = np.stack(
        [views[v][i, y : y + side, x : x + side] for v, i, (y, x) in zip(view, chosen, corners, strict=True)]
    )
    return narrow(torch.from_numpy(array)).permute(0, 3, 1, 2)


def contrast(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy both ways against soft targets; `target` (n, m) is not negative."""
    rows = -(target / target.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
    columns = -(target / target.sum(0, keepdim=True) * logits.log_softmax(0)).sum(0).mean()
    return (rows + columns) / 2


def soft_targets(owner: Tensor, meaning: Tensor, share: float) -> Tensor:
    """Say how much picture i should match caption j: (pictures, captions).

    `owner` (captions,) is each caption's picture. A share of the target goes to captions close in
    meaning to the picture's own, which an ordinary one-hot target would push away.
    """
    own = F.one_hot(owner).T.float()  # (pictures, captions)
    mean = F.normalize(own @ meaning, dim=1)
    near = (mean @ meaning.T / 0.05).softmax(1)
    return (1 - share) * own / own.sum(1, keepdim=True) + share * near


def losses(
    model: Model, activations: Tensor, states: CaptionStates, chosen: Ints, recipe: Recipe
) -> dict[str, Tensor]:
    """Make one batch's losses; `chosen` (pictures, captions of each) are caption numbers."""
    hidden, real = states.batch(chosen.T.ravel().tolist(), PIECES)  # first captions of all, then second ones
    meaning = torch.from_numpy(states.meaning[chosen.T.ravel()]).float()
    inner = without_ends(real)
    if recipe.word_drop:
        kept = torch.rand(real.shape) >= recipe.word_drop
        kept[:, 0] = True  # nothing would be left of a text that lost all its words
        real, inner = real & kept, inner & kept
    pictures, cells = model.look(0, activations)
    texts, words = model.texts(hidden, real)
    count = len(pictures)
    target = soft_targets(torch.arange(count).repeat(chosen.shape[1]), meaning, recipe.soft_share)
    logits = model.vector_scale.exp().clamp(max=100) * pictures @ texts.T
    fits = model.late.all_pairs(words[:count], inner[:count], cells)
    token_logits = model.token_scale.exp().clamp(max=100) * fits.T
    token_target = soft_targets(torch.arange(count), meaning[:count], recipe.soft_share)
    return {"vectors": contrast(logits, target), "tokens": contrast(token_logits, token_target)}


def caption_loss(model: Model, corpus: CaptionPairs, pairs: int, rng: np.random.Generator) -> Tensor:
    """Make the contrast between two captions of each of some pictures."""
    hidden, real = corpus.batch(pairs, PIECES, rng)
    vectors, _ = model.texts(hidden, real)
    first, second = vectors.chunk(2)
    return contrast(model.vector_scale.exp().clamp(max=100) * first @ second.T, torch.eye(pairs))


def without_ends(real: Tensor) -> Tensor:
    """Leave out [CLS] and [SEP]: only the words between them meet the cells."""
    inner = real.clone()
    inner[:, 0] = False
    inner[torch.arange(len(real)), real.sum(1) - 1] = False
    return inner


def _parameter_groups(model: Model, recipe: Recipe) -> list[dict[str, Any]]:
    learning = [model.image_heads[0], model.text_head, model.late]
    groups = head_groups([p for part in learning for p in part.parameters()], recipe.head_rate, recipe.decay)
    groups += [{"params": [model.vector_scale, model.token_scale], "rate": 1e-2, "weight_decay": 0.0}]
    open_top(model, 0 if recipe.image_rate else None)
    model.text_top.requires_grad_(recipe.text_rate > 0)
    for tower, rate in ((model.image_tops[0], recipe.image_rate), (model.text_top, recipe.text_rate)):
        params = [p for p in tower.parameters() if p.requires_grad]
        groups += [{"params": params, "rate": rate, "weight_decay": 0.01}] if params else []
    return groups


def train(model: Model, feed: Feed, recipe: Recipe, checkpoint: Path) -> Model:
    """Run one recipe to its end, resuming from `checkpoint`, and return the averaged model.

    The checkpoint is of the data, the recipe, and the weights that the model comes with.
    """
    resume = Resume(checkpoint, f"{recipe} {feed.digest} {weights_digest(model)}")
    count = len(select(feed.photos, "train")) // recipe.batch
    schedule = Schedule(recipe.epochs, count, recipe.average)
    lesson = partial(_lesson, model, feed, recipe)
    return descend(model, _parameter_groups(model, recipe), schedule, lesson, resume)


def _lesson(model: Model, feed: Feed, recipe: Recipe, epoch: int) -> Iterator[dict[str, Tensor]]:
    """Go once through the photographs, and give the losses of each batch."""
    rng = np.random.default_rng((SEED, epoch))
    model.text_top.train(recipe.text_rate > 0)
    for activations, captions in feed.batches(recipe, rng):
        with products():
            parts = losses(model, activations, feed.states, captions, recipe)
            if recipe.pairs:
                parts["captions"] = caption_loss(model, feed.corpus, recipe.pairs, rng)
        yield parts
