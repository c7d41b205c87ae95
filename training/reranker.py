"""Stage 3, reranker: the cross-attention, taught on lists that recall and late interaction rank.

Each list is one query, a relevant candidate, and others at log-uniform ranks of recall: with the
hardest alone the loss stays at that of chance. What is trained is the sum of the parts, so that
the cross-attention learns what the others get wrong; for half of the lists the others are left
out, because on training photographs recall is far surer of itself than it will ever be again.
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
from engine.fusion import FusionModel
from training.data import SEED
from training.gallery import Gallery, unit
from training.heads import Model, rate_at

log = logging.getLogger("training")


@dataclass(frozen=True)
class Recipe:
    """The dials of this stage."""

    steps: int = 800
    queries: int = 32  # lists in a step, all of one direction
    candidates: int = 24  # in a list, the relevant one included
    deepest: int = 3000  # rank
    rate: float = 5e-4
    recall_weight: float = 15.0
    late_weight: float = 10.0


def draw(recall: Tensor, relevant: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Draw candidates for queries from recall scores (q, n): (q, candidates), the relevant one first.

    `relevant` (q, n) marks every candidate that is right; all but the first drawn are wrong.
    """
    order = recall.masked_fill(relevant, -torch.inf).argsort(1, descending=True)
    wrong = recall.shape[1] - int(relevant.sum(1).max())
    deepest = math.log(min(recipe.deepest, wrong))
    ranks = np.exp(rng.uniform(0, deepest, (len(recall), recipe.candidates - 1))).astype(np.int64) - 1
    own = torch.multinomial(relevant.float(), 1)
    return torch.cat([own, order.gather(1, torch.from_numpy(ranks))], 1)


def step_loss(
    fusion: FusionModel, gallery: Gallery, to_images: bool, recipe: Recipe, rng: np.random.Generator
) -> Tensor:
    """Make one step's loss: cross-entropy of the relevant candidate in each list."""
    owner = torch.from_numpy(gallery.owner)
    if to_images:
        queries = torch.from_numpy(rng.integers(len(gallery.texts), size=recipe.queries))
        recall = gallery.texts[queries] @ gallery.pictures.T
        relevant = owner[queries, None] == torch.arange(len(gallery.pictures))
    else:
        queries = torch.from_numpy(rng.integers(len(gallery.pictures), size=recipe.queries))
        recall = gallery.pictures[queries] @ gallery.texts.T
        relevant = queries[:, None] == owner
    candidates = draw(recall, relevant, recipe, rng)
    repeated = queries[:, None].expand_as(candidates)
    texts, pictures = (repeated, candidates) if to_images else (candidates, repeated)
    late, cross = _judge(fusion, gallery, texts.flatten(), pictures.flatten())
    known = recipe.recall_weight * recall.gather(1, candidates) + recipe.late_weight * late.view_as(
        candidates
    )
    share = torch.from_numpy(rng.integers(2, size=(len(queries), 1)))
    logits = cross.view_as(candidates) + share * known
    return -logits.log_softmax(1)[:, 0].mean()


def _judge(fusion: FusionModel, gallery: Gallery, texts: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    lengths = gallery.lengths[texts]
    longest = int(lengths.max())
    real = torch.arange(longest) < lengths[:, None]
    words, cells = unit(gallery.words[texts, :longest]), unit(gallery.cells[pictures])
    with torch.no_grad():
        late = fusion.late(words, real, cells)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cross: Tensor = fusion.cross(words, real, cells)
    return late, cross.float()


def train(model: Model, gallery: Gallery, recipe: Recipe, checkpoint: Path) -> FusionModel:
    """Teach a new cross-attention beside the late interaction that `model` learned."""
    torch.manual_seed(SEED)
    fusion = FusionModel(TOKEN_DIM)
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
        loss = step_loss(fusion, gallery, step % 2 == 0, recipe, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(fusion.cross.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % 50 == 0:
            log.info("step %d: %.3f, %.0f s", step + 1, total / 50, time.perf_counter() - began)
            total = 0.0
            torch.save(
                {"fusion": fusion.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1},
                checkpoint,
            )
    return fusion.eval()
