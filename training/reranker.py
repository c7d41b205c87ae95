"""Stage 3, reranker: the cross-attention, taught on photographs that recall finds alike.

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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.encoders.mini_heads import TOKEN_DIM
from engine.fusion import FusionModel, Shape
from training.checkpoints import save_checkpoint
from training.data import SEED
from training.gallery import Gallery, Ints, unit
from training.heads import contrast, rate_at
from training.model import Model

log = logging.getLogger("training")
DEPTH = 1  # layers of the cross-attention


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


def step_loss(fusion: FusionModel, gallery: Gallery, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Make one step's loss: cross-entropy of the right picture of a caption, and the other way."""
    pictures, texts = draw(gallery, recipe, rng)
    lengths = gallery.lengths[texts]
    longest = int(lengths.max())
    real = torch.arange(longest) < lengths[:, None]
    words, cells = unit(gallery.words[texts, :longest]), unit(gallery.cells[pictures])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # one picture against all texts at a time: its keys and values are made once
        judged = torch.stack([fusion.cross(words, real, cells[i : i + 1]) for i in range(len(cells))], 1)
    logits = judged.float()  # (texts, pictures)
    if rng.random() < recipe.known:
        with torch.no_grad():
            recall = gallery.texts[texts] @ gallery.pictures[pictures].T
            late = fusion.late.all_pairs(words, real, cells)
        logits = logits + recipe.recall_weight * recall + recipe.late_weight * late
    return contrast(logits, torch.eye(len(pictures)))


def train(model: Model, gallery: Gallery, recipe: Recipe, checkpoint: Path) -> FusionModel:
    """Teach a new cross-attention beside the late interaction that `model` learned."""
    torch.manual_seed(SEED)
    fusion = FusionModel(Shape(TOKEN_DIM, DEPTH))
    fusion.late.load_state_dict(model.late.state_dict())
    fusion.late.requires_grad_(False)
    optimizer = torch.optim.AdamW(fusion.cross.parameters(), lr=recipe.rate, weight_decay=0.01)
    first = 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        fusion.load_state_dict(kept["fusion"])
        optimizer.load_state_dict(kept["optimizer"])
        first = kept["step"]
    began, total = time.perf_counter(), 0.0
    for step in range(first, recipe.steps):
        rng = np.random.default_rng((SEED, step))
        optimizer.param_groups[0]["lr"] = recipe.rate * rate_at(step + 1, recipe.steps)
        loss = step_loss(fusion, gallery, recipe, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(fusion.cross.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % 50 == 0:
            log.info("step %d: %.3f, %.0f s", step + 1, total / 50, time.perf_counter() - began)
            total = 0.0
            state = {"fusion": fusion.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            save_checkpoint(checkpoint, state)
    return fusion.eval()
