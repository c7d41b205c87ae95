"""Stage 3, sights: the other networks learn to look into the space that the first and the words made.

The words stay as they are: what every caption means is encoded once, and a picture meets all its
captions in a batch for what one would cost. Two more lessons stand beside the contrast of vectors: the late
interaction of tokens, and what the network's own published classifier says of a picture, over the names
of the classes (distillation, arXiv 1503.02531).

All networks are then refined on pictures with a box of another in them, which cannot be learned by heart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.encoders.mini_shape import TEXT_LIMIT
from training.checkpoints import Resume, weights_digest
from training.data import SEED, select
from training.descent import Schedule, descend, head_groups, open_top
from training.features import CaptionStates
from training.heads import PIECES, Feed, contrast, soft_targets, window, without_ends
from training.model import SHARPNESS, Model
from training.precision import products


@dataclass(frozen=True)
class Recipe:
    """The dials of this stage."""

    epochs: int = 7
    batch: int = 128  # pictures
    captions: int = 5  # of each at most
    head_rate: float = 1e-3
    image_rate: float = 1e-4
    decay: float = 0.05
    soft_share: float = 0.2
    class_weight: float = 0.5
    average: float = 0.996
    mixed: float = 0.0  # share of batches whose pictures have a box of another in them


LOOK = Recipe()
REFINE = Recipe(epochs=5, image_rate=7e-5, mixed=0.5)


@dataclass(frozen=True)
class Mixture:
    """Which picture of the batch (n,) a box in each is of, and the share of the area that it takes."""

    other: Tensor
    share: float

    def of(self, targets: Tensor) -> Tensor:
        """Mix what the pictures (n, m) should be told by."""
        return (1 - self.share) * targets + self.share * targets[self.other]


@dataclass(frozen=True)
class Known:
    """What stays as it is: the vectors of all captions (m, DIM) and of the classes' names (CLASSES, DIM).

    `said` (n, CLASSES) is what a network's published classifier says of each photograph.
    """

    texts: Tensor
    names: Tensor
    said: Tensor


@torch.no_grad()
def read_captions(model: Model, states: CaptionStates) -> Tensor:
    """Encode every caption by the tuned head: (captions, DIM)."""
    order = np.argsort(np.diff(states.bounds))  # alike in length: little is padding
    found = torch.empty(len(order), model.text_head.values.out_features)
    for start in range(0, len(order), 256):
        chosen = order[start : start + 256]
        with products():
            found[chosen] = model.texts(*states.batch(chosen.tolist(), TEXT_LIMIT))[0]
    return found


def train(model: Model, feed: Feed, network: int, known: Known, recipe: Recipe, checkpoint: Path) -> Model:
    """Tune the last part of a network and its head, and return the averaged model.

    The checkpoint is of the data, the recipe, and the weights that the model comes with.
    """
    resume = Resume(checkpoint, f"{network} {recipe} {feed.digest} {weights_digest(model)}")
    model.requires_grad_(False)
    open_top(model, network)
    head = model.image_heads[network].requires_grad_(True)
    scale = model.vector_scale
    torch.nn.init.constant_(scale.requires_grad_(True), SHARPNESS)
    top = [p for p in model.image_tops[network].parameters() if p.requires_grad]
    groups = head_groups(list(head.parameters()), recipe.head_rate, recipe.decay)
    groups += [
        {"params": [scale], "rate": 1e-2, "weight_decay": 0.0},
        {"params": top, "rate": recipe.image_rate, "weight_decay": 0.01},
    ]
    count = len(select(feed.photos, "train")) // recipe.batch
    lesson = partial(_lesson, model, feed, network, known, recipe)
    return descend(model, groups, Schedule(recipe.epochs, count, recipe.average), lesson, resume)


def mix(activations: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, Mixture]:
    """Put a box of another picture into each, in a share of all batches (CutMix, arXiv 1905.04899)."""
    count, side = len(activations), activations.shape[3]
    if rng.random() >= share:
        return activations, Mixture(torch.arange(count), 0.0)
    height, width = rng.integers(3, side, size=2)
    top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
    other = torch.from_numpy(rng.permutation(count))
    box = (..., slice(top, top + height), slice(left, left + width))
    mixed = activations.clone()
    mixed[box] = activations[other][box]
    return mixed, Mixture(other, height * width / side**2)


def _lesson(
    model: Model, feed: Feed, network: int, known: Known, recipe: Recipe, epoch: int
) -> Iterator[dict[str, Tensor]]:
    """Go once through the photographs, and give the losses of each batch."""
    rng = np.random.default_rng((SEED, network, epoch))
    model.text_top.eval()
    model.text_head.eval()
    states, meaning = feed.states, torch.from_numpy(feed.states.meaning)
    order = rng.permutation(select(feed.photos, "train"))
    for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
        chosen = order[start : start + recipe.batch]
        own = [rng.permutation(np.arange(*states.first[i : i + 2]))[: recipe.captions] for i in chosen]
        owner = torch.from_numpy(np.repeat(np.arange(recipe.batch), list(map(len, own))))
        captions, firsts = np.concatenate(own), np.array([some[0] for some in own])
        shown, mixture = mix(window(feed.views[network], chosen, rng), recipe.mixed, rng)
        with products():
            vectors, cells = model.look(network, shown)
            hidden, real = states.batch(firsts.tolist(), PIECES)
            words = model.texts(hidden, real)[1]
            fits = model.late.all_pairs(words, without_ends(real), cells)
        scaled = model.vector_scale.exp().clamp(max=100) * vectors
        target = soft_targets(owner, meaning[captions].float(), recipe.soft_share)
        alone = soft_targets(torch.arange(recipe.batch), meaning[firsts].float(), recipe.soft_share)
        named = (scaled @ known.names.T).log_softmax(1)
        yield {
            "vectors": contrast(scaled @ known.texts[captions].T, mixture.of(target)),
            "tokens": contrast(model.token_scale.exp().clamp(max=100) * fits.T, mixture.of(alone)),
            "classes": -recipe.class_weight * (mixture.of(known.said[chosen]) * named).sum(1).mean(),
        }
