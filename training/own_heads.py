"""A gallery's own heads: both sides' vectors are moved toward each other, by what the tokens show.

Contrast between stored pictures and captions in batches (CLIP, arXiv 2103.00020). How far both are
moved in the end is chosen on pairs that the heads have not seen (WiSE-FT, arXiv 2109.01903).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from engine.heads import BATCH, Heads, OwnHead
from training.checkpoints import Resume
from training.gallery import Gallery, Ints
from training.heads import contrast, rate_at
from training.reencoder import SAVED_EVERY, best_share


@dataclass(frozen=True)
class Recipe:
    """The dials of this stage."""

    steps: int = 500
    batch: int = 256  # pictures, each with one caption
    rate: float = 1e-3
    decay: float = 0.1
    width: int = 512
    seed: int = 0


def teach(gallery: Gallery, recipe: Recipe, resume: Resume, progress: Callable[[int, int], None]) -> Heads:
    """Train new heads on a gallery, going on from a checkpoint; `progress` is told each step."""
    torch.manual_seed(recipe.seed)
    token_dim = gallery.cells.shape[2] if gallery.words.numel() else 0
    heads = Heads(gallery.texts.shape[1], token_dim, recipe.width)
    scale = nn.ParameterList([nn.Parameter(torch.tensor(math.log(20.0)))])
    groups = [
        {"params": list(heads.parameters()), "rate": recipe.rate, "weight_decay": recipe.decay},
        {"params": list(scale), "rate": 1e-2, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    parts = {"heads": heads, "scale": scale, "optimizer": optimizer}
    first = np.searchsorted(gallery.owner, np.arange(len(gallery.pictures) + 1))
    for step in range(resume.load(parts), recipe.steps):
        rng = np.random.default_rng((recipe.seed, step))
        chosen = rng.permutation(len(gallery.pictures))[: recipe.batch]
        texts = first[chosen] + rng.integers(first[chosen + 1] - first[chosen])
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * rate_at(step + 1, recipe.steps)
        pictures, asked = _pictures(heads.image, gallery, chosen), _texts(heads.text, gallery, texts)
        logits = scale[0].exp().clamp(max=100) * asked @ pictures.T
        loss = contrast(logits, torch.eye(len(chosen)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1, recipe.steps)
        if (step + 1) % SAVED_EVERY == 0:
            resume.save(parts, step + 1)
    return heads.eval()


@torch.inference_mode()
def moved(heads: Heads, gallery: Gallery) -> Gallery:
    """Return a gallery with the vectors that the heads make of it."""
    pictures = [_pictures(heads.image, gallery, some) for some in _some(len(gallery.pictures))]
    texts = [_texts(heads.text, gallery, some) for some in _some(len(gallery.texts))]
    return replace(gallery, pictures=torch.cat(pictures), texts=torch.cat(texts))


def hold_back(heads: Heads, gallery: Gallery, queries: Ints) -> float:
    """Move both sides only as far as serves those captions best, and tell the share of the way."""

    def recall() -> Tensor:
        there = moved(heads, gallery)
        return there.texts[queries] @ there.pictures.T

    return best_share([heads.image.network[-1], heads.text.network[-1]], recall, gallery.owner[queries])


def _pictures(head: OwnHead, gallery: Gallery, chosen: Ints) -> Tensor:
    cells = gallery.cells[chosen]
    moved: Tensor = head(gallery.pictures[chosen], cells, torch.full((len(chosen),), cells.shape[1]))
    return moved


def _texts(head: OwnHead, gallery: Gallery, chosen: Ints) -> Tensor:
    moved: Tensor = head(gallery.texts[chosen], gallery.words[chosen], gallery.lengths[chosen])
    return moved


def _some(count: int) -> list[Ints]:
    return np.array_split(np.arange(count), math.ceil(count / BATCH))
