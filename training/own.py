"""What a gallery's own reencoder and heads share: how they are taught, and how far they are let move vectors.

Contrast between captions and pictures of a gallery, in batches (CLIP, arXiv 2103.00020). How far vectors are
moved in the end is chosen on pairs that the network has not seen (WiSE-FT, arXiv 2109.01903).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.evaluate import CUTS
from training.checkpoints import Resume
from training.descent import rate_at
from training.gallery import Gallery, Ints
from training.heads import contrast

SAVED_EVERY = 50  # steps
SHARES = (1.0, 0.75, 0.5, 0.25)
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Recipe:
    """The dials of one training."""

    steps: int = 500
    batch: int = 512  # pictures, each with one caption
    rate: float = 1e-3
    decay: float = 0.1
    width: int = 512
    seed: int = 0


def teach(
    network: Network,
    sides: Callable[[Ints, Ints], tuple[Tensor, Tensor]],
    gallery: Gallery,
    recipe: Recipe,
    resume: Resume,
    progress: Callable[[int, int], None],
) -> Network:
    """Train a network on a gallery, going on from a checkpoint; `progress` is told each step.

    `sides` gives the vectors (n, d) of some pictures and of a text each, as the network moves them.
    """
    scale = nn.ParameterList([nn.Parameter(torch.tensor(math.log(20.0)))])
    groups = [
        {"params": list(network.parameters()), "rate": recipe.rate, "weight_decay": recipe.decay},
        {"params": list(scale), "rate": 1e-2, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    parts = {"network": network, "scale": scale, "optimizer": optimizer}
    first = np.searchsorted(gallery.owner, np.arange(len(gallery.pictures) + 1))
    for step in range(resume.load(parts), recipe.steps):
        rng = np.random.default_rng((recipe.seed, step))
        chosen = rng.permutation(len(gallery.pictures))[: recipe.batch]
        texts = first[chosen] + rng.integers(first[chosen + 1] - first[chosen])
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * rate_at(step + 1, recipe.steps)
        pictures, asked = sides(chosen, texts)
        logits = scale[0].exp().clamp(max=100) * asked @ pictures.T
        loss = contrast(logits, torch.eye(len(chosen)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1, recipe.steps)
        if (step + 1) % SAVED_EVERY == 0:
            resume.save(parts, step + 1)
    return network.eval()


@torch.no_grad()
def best_share(last: Sequence[nn.Module], recall: Callable[[], Tensor], right: Ints) -> float:
    """Shrink last layers of residual networks to the share with which most is found, and return it.

    `recall` scores queries against pictures, (q, n); `right` (q,) are their own.
    """
    whole = [(weight, weight.clone()) for layer in last for weight in layer.parameters()]
    found: dict[float, float] = {}
    for share in SHARES:
        for weight, kept in whole:
            weight.copy_(share * kept)
        scores = recall()
        ranks = (scores > scores[torch.arange(len(right)), torch.from_numpy(right)][:, None]).sum(1)
        found[share] = float(np.mean([(ranks < k).float().mean().item() for k in CUTS]))
    best = max(SHARES, key=found.__getitem__)
    for weight, kept in whole:
        weight.copy_(best * kept)
    return best
