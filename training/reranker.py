"""Stage 6, reranker: the cross-attention, taught on photographs that recall finds alike.

A batch is one photograph and others at log-uniform ranks of likeness to it, each with one caption,
and every pair of them is judged: with the most alike alone the loss stays at that of chance. What
is trained is the sum of the parts, so that the cross-attention learns what the others get wrong;
in most batches the others are left out, because on training photographs recall is far
surer of itself than it will ever be again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.encoders.mini_shape import TOKEN_DIM
from engine.fusion import FusionModel, Shape
from training.checkpoints import Resume
from training.data import SEED
from training.descent import rate_at
from training.gallery import Gallery, Ints, unit
from training.heads import contrast
from training.lessons import Lessons
from training.model import Model
from training.precision import products

log = logging.getLogger("training")
DEPTH = 1  # layers of the cross-attention
SAVED_EVERY = 50  # steps


@dataclass(frozen=True)
class Recipe:
    """The dials of this stage."""

    steps: int = 500
    batch: int = 48  # photographs, each with one caption
    deepest: int = 3000  # rank
    rate: float = 1e-3
    known: float = 0.25  # share of batches that the other parts take part in
    recall_weight: float = 15.0
    late_weight: float = 10.0
    seed: int = SEED
    lessons: tuple[str, ...] = ()  # beside the contrast, of `training.lessons`


def draw(gallery: Gallery, recipe: Recipe, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw photographs of a batch and a caption of each."""
    anchor = int(rng.integers(len(gallery.pictures)))
    alike = (gallery.pictures @ gallery.pictures[anchor]).argsort(descending=True).numpy()
    deepest = min(recipe.deepest, len(alike))
    ranks = np.exp(rng.uniform(0, math.log(deepest), 4 * recipe.batch)).astype(np.int64)
    pictures = alike[list(dict.fromkeys([0, *ranks.tolist()]))[: recipe.batch]]  # each once; itself first
    first = np.searchsorted(gallery.owner, pictures)
    count = np.searchsorted(gallery.owner, pictures, "right") - first
    return pictures, first + rng.integers(count)


def step_loss(
    fusion: FusionModel, lessons: Lessons, gallery: Gallery, recipe: Recipe, rng: np.random.Generator
) -> Tensor:
    """Make one step's loss: cross-entropy of the right picture of a caption, and the other way.

    Further lessons add theirs; a late interaction that is still to be learned has a loss of its own.
    """
    pictures, texts = draw(gallery, recipe, rng)
    lengths = gallery.lengths[texts]
    longest = max(1, int(lengths.max()))
    real = torch.arange(longest) < lengths[:, None]
    words, cells = unit(gallery.words[texts, :longest]), unit(gallery.cells[pictures])
    with products():
        words = fusion.aligned(words)
        # one picture against all texts at a time: its keys and values are made once
        judged = torch.stack([fusion.cross(words, real, cells[i : i + 1]) for i in range(len(cells))], 1)
    logits = judged.float()  # (texts, pictures)
    late = recipe.late_weight * fusion.late.all_pairs(words.float(), real, cells)
    own = lessons.target(gallery.texts[texts])
    learned = contrast(2 * late, own) if late.requires_grad else torch.zeros(())
    if rng.random() < recipe.known:
        recall = gallery.texts[texts] @ gallery.pictures[pictures].T
        logits = logits + recipe.recall_weight * recall + late.detach()
    return contrast(logits, own) + learned + lessons.loss(fusion, logits, words, real, cells)


def train(model: Model, gallery: Gallery, recipe: Recipe, resume: Resume) -> FusionModel:
    """Teach a new cross-attention beside the late interaction that `model` learned."""
    torch.manual_seed(SEED)
    fusion = FusionModel(Shape(TOKEN_DIM, DEPTH))
    fusion.late.load_state_dict(model.late.state_dict())
    fusion.late.requires_grad_(False)
    return teach(fusion, gallery, recipe, resume)


def teach(
    fusion: FusionModel,
    gallery: Gallery,
    recipe: Recipe,
    resume: Resume,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FusionModel:
    """Train what of `fusion` takes gradients, going on from a checkpoint; `progress` is told each step."""
    lessons = Lessons(recipe.lessons, fusion)
    learning = [p for p in [*fusion.parameters(), *lessons.parameters()] if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=0.01)
    kept = {"fusion": fusion, "optimizer": optimizer, **({"lessons": lessons} if recipe.lessons else {})}
    first = resume.load(kept)
    began, total = time.perf_counter(), 0.0
    for step in range(first, recipe.steps):
        rng = np.random.default_rng((recipe.seed, step))
        optimizer.param_groups[0]["lr"] = recipe.rate * rate_at(step + 1, recipe.steps)
        loss = step_loss(fusion, lessons, gallery, recipe, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        total += loss.item()
        progress(step + 1, recipe.steps)
        if (step + 1) % SAVED_EVERY == 0:
            mean, spent = total / SAVED_EVERY, time.perf_counter() - began
            log.info("step %d: %.3f, %.0f s", step + 1, mean, spent)
            total = 0.0
            resume.save(kept, step + 1)
    return fusion.eval()
