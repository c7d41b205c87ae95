"""Stage 4, second opinion: plain heads on towers that no stage has touched.

Plain heads learn on the means of the published towers over every photograph and caption, which
takes minutes: no tower runs. Beside the contrast of pictures and captions they learn what the
published classifiers say of each picture, over the names of their thousand classes (distillation,
arXiv 1503.02531).
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor, nn

from engine.encoders.mini_joint import Joint
from engine.encoders.mini_shape import WordPieces
from engine.encoders.mini_towers import CLASSES, ImageTower, TextTower
from training.checkpoints import kept
from training.data import SEED, select
from training.descent import follow, rate_at
from training.features import WHOLE
from training.heads import Feed, contrast, soft_targets
from training.model import Model
from training.precision import products

log = logging.getLogger("training")
TEXTS = 128  # at a time
More: TypeAlias = Callable[[Joint, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """The dials of the plain heads."""

    epochs: int = 20
    batch: int = 512
    rate: float = 1e-3
    decay: float = 0.05
    dropout: float = 0.4
    soft_share: float = 0.2
    class_weight: float = 0.5
    average: float = 0.99


@dataclass(frozen=True)
class Plain:
    """What the published towers say, kept: `means` (views, photographs, MEANS_WIDTH).

    `meaning` (captions, TEXT_WIDTH) is of every caption, `names` (CLASSES, TEXT_WIDTH) of the classes.
    """

    means: Tensor
    meaning: Tensor
    names: Tensor


@dataclass(frozen=True)
class Lesson:
    """What the loss needs beside a batch: `teacher` says which classes means show, `names` are theirs."""

    recipe: Recipe
    names: Tensor
    teacher: nn.Module


@dataclass(frozen=True)
class Towers:
    """The towers, with their published parts."""

    image: ImageTower
    text: TextTower
    pieces: WordPieces


def class_captions() -> list[str]:
    """Write a caption for each ImageNet class, in the order of the classifier."""
    info = ImageNetInfo()
    names = [info.index_to_description(index, detailed=False).split(",")[0] for index in range(CLASSES)]
    return [f"a photo of a {name}" for name in names]


@torch.no_grad()  # what it gives is learned on, which a tensor of inference mode cannot be
def read_texts(towers: Towers, model: Model, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Encode texts by the tuned head (n, DIM) and by the published tower (n, TEXT_WIDTH)."""
    vectors, means = [], []
    for start in range(0, len(texts), TEXTS):
        ids, real = map(torch.from_numpy, towers.pieces.encode(texts[start : start + TEXTS]))
        with products():  # only training reads this
            hidden = towers.text.start(ids, real)
            vectors.append(model.texts(hidden, real)[0])
            means.append(towers.text.means(hidden, real))
    return torch.cat(vectors), torch.cat(means)


def batches(
    feed: Feed, plain: Plain, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give one epoch's batches: means of pictures, one view for all, and the meaning of a caption of each."""
    order = rng.permutation(select(feed.photos, "train"))
    for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
        chosen = order[start : start + recipe.batch]
        low = feed.states.first[chosen]
        captions = low + rng.integers(feed.states.first[chosen + 1] - low)
        yield plain.means[rng.integers(len(plain.means)), chosen], plain.meaning[captions]


def loss_of(joint: Joint, scale: Tensor, means: Tensor, meaning: Tensor, lesson: Lesson) -> Tensor:
    """Add up the contrast of pictures and captions and the cross-entropy of what the teacher says."""
    pictures = joint.image(means)
    target = soft_targets(torch.arange(len(means)), meaning, lesson.recipe.soft_share)
    said = lesson.teacher(means)
    names = (scale * pictures @ joint.text(lesson.names).T).log_softmax(1)
    taught: Tensor = -(said * names).sum(1).mean()
    return contrast(scale * pictures @ joint.text(meaning).T, target) + lesson.recipe.class_weight * taught


def train(
    feed: Feed,
    plain: Plain,
    teacher: nn.Module,
    recipe: Recipe,
    checkpoint: Path,
    more: More | None = None,
    seed: int = SEED,
) -> Joint:
    """Train the plain heads to their end, or read the outcome of an earlier run of the same work.

    `more` is what else they lose by at each step, of the heads and the scale of their scores.
    """
    lesson = Lesson(recipe, plain.names, teacher)

    def make() -> dict[str, Any]:
        return {"joint": _taught(feed, plain, lesson, more, seed).state_dict()}

    joint = Joint(recipe.dropout)
    joint.load_state_dict(kept(checkpoint, f"{recipe} {seed} {feed.digest}", make)["joint"])
    return joint.eval()


def _taught(feed: Feed, plain: Plain, lesson: Lesson, more: More | None, seed: int) -> Joint:
    """Give the running average of heads that learned the lesson."""
    recipe = lesson.recipe
    torch.manual_seed(seed)
    joint = Joint(recipe.dropout)
    seen = plain.means[WHOLE, select(feed.photos, "train")]
    joint.image.center.copy_(seen.mean(0))
    joint.image.spread.copy_(seen.std(0) + 1e-3)
    averaged = copy.deepcopy(joint).eval()
    scale = nn.Parameter(torch.tensor(20.0).log())
    weights = [*joint.parameters(), scale]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in weights if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups)
    steps, step, began = recipe.epochs * (len(seen) // recipe.batch), 0, time.perf_counter()
    for epoch in range(recipe.epochs):
        for means, meaning in batches(feed, plain, recipe, np.random.default_rng((seed, epoch))):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * rate_at(step, steps)
            sharp = scale.exp().clamp(max=100)
            loss = loss_of(joint, sharp, means, meaning, lesson)
            if more is not None:
                loss = loss + more(joint, sharp)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            follow(averaged, joint, min(recipe.average, step / (step + 10)))
        log.info("epoch %d: %.3f, %.0f s", epoch + 1, loss.item(), time.perf_counter() - began)
    return averaged
