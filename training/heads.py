"""Stage 2, heads: the joint space and the tokens, by contrast between pictures and captions.

One loop trains both heads, the late interaction over the tokens and, when asked to, the last
parts of both towers. The loss is the sum of
- picture against caption vectors in the batch (CLIP, arXiv 2103.00020), every caption of a picture
  being a positive, with a share of the target spread over captions that mean the same by the
  published language model (a soft target);
- late interaction in the batch (FILIP, arXiv 2111.07783).
What is kept is the running average of the weights.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.encoders.mini_heads import Head
from engine.encoders.mini_towers import IMAGE_WIDTH, TEXT_WIDTH, ImageTower, TextTower
from engine.fusion import LateInteraction
from training.data import SEED, Photo, select
from training.features import CaptionStates

log = logging.getLogger("training")

PIECES = 20  # of a caption are read in training; few have more, and all are padded to the longest


@dataclass(frozen=True)
class Recipe:
    """The dials of one run of this stage."""

    epochs: int
    batch: int = 128  # pictures
    captions: int = 1  # of each picture in a batch
    head_rate: float = 1e-3
    image_rate: float = 0.0  # of the last part of the image tower; 0 leaves both towers as they are
    text_rate: float = 0.0
    dropout: float = 0.2
    decay: float = 0.05
    soft_share: float = 0.2
    average: float = 0.996
    views: int = 2


class Model(nn.Module):
    """Everything that is trained, from the frozen parts' output on."""

    def __init__(self, image: ImageTower, text: TextTower, dropout: float) -> None:
        super().__init__()
        self.image_top = image.top
        self.text_top = text.top
        self.image_head = Head(IMAGE_WIDTH, dropout)
        self.text_head = Head(TEXT_WIDTH, dropout)
        self.late = LateInteraction(128)
        self.vector_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.token_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    def pictures(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, 120, 17, 17) to vectors (n, DIM) and tokens (n, cells, TOKEN_DIM)."""
        cells = self.image_top(activations).float().permute(0, 2, 3, 1).flatten(1, 2)
        vectors, tokens = self.image_head(cells, torch.ones(cells.shape[:2], dtype=torch.bool))
        return vectors.float(), tokens

    def texts(self, hidden: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, t, TEXT_WIDTH) to vectors (n, DIM) and tokens (n, t, TOKEN_DIM)."""
        for layer in self.text_top:
            hidden = layer(hidden, real[:, None, None, :])
        vectors, tokens = self.text_head(hidden, real)
        return vectors.float(), tokens


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
    model: Model, activations: Tensor, states: CaptionStates, chosen: npt.NDArray[np.int64], soft_share: float
) -> dict[str, Tensor]:
    """Make one batch's losses; `chosen` (pictures, captions of each) are caption numbers."""
    hidden, real = states.batch(chosen.T.ravel().tolist(), PIECES)  # first captions of all, then second ones
    meaning = torch.from_numpy(states.meaning[chosen.T.ravel()]).float()
    pictures, cells = model.pictures(activations)
    texts, words = model.texts(hidden, real)
    count = len(pictures)
    target = soft_targets(torch.arange(count).repeat(chosen.shape[1]), meaning, soft_share)
    logits = model.vector_scale.exp().clamp(max=100) * pictures @ texts.T
    real = without_ends(real)
    fits = model.late.all_pairs(words[:count], real[:count], cells)
    token_logits = model.token_scale.exp().clamp(max=100) * fits.T
    token_target = soft_targets(torch.arange(count), meaning[:count], soft_share)
    return {"vectors": contrast(logits, target), "tokens": contrast(token_logits, token_target)}


def without_ends(real: Tensor) -> Tensor:
    """Leave out [CLS] and [SEP]: only the words between them meet the cells."""
    inner = real.clone()
    inner[:, 0] = False
    inner[torch.arange(len(real)), real.sum(1) - 1] = False
    return inner


def _parameter_groups(model: Model, recipe: Recipe) -> list[dict[str, object]]:
    heads = [*model.image_head.parameters(), *model.text_head.parameters(), *model.late.parameters()]
    groups: list[dict[str, object]] = [
        {"params": [p for p in heads if p.ndim > 1], "rate": recipe.head_rate, "weight_decay": recipe.decay},
        {"params": [p for p in heads if p.ndim < 2], "rate": recipe.head_rate, "weight_decay": 0.0},
        {"params": [model.vector_scale, model.token_scale], "rate": 1e-2, "weight_decay": 0.0},
    ]
    model.image_top.requires_grad_(recipe.image_rate > 0)
    model.text_top.requires_grad_(recipe.text_rate > 0)
    blocks: Any = model.image_top
    blocks[0][0].requires_grad_(False)
    for module in model.image_top.modules():
        # the backward pass of depthwise convolutions costs more than all the rest together
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)
    for tower, rate in ((model.image_top, recipe.image_rate), (model.text_top, recipe.text_rate)):
        params = [p for p in tower.parameters() if p.requires_grad]
        groups += [{"params": params, "rate": rate, "weight_decay": 0.01}] if params else []
    return groups


def rate_at(step: int, steps: int) -> float:
    """Warm up over the first twentieth, then follow half a cosine down to nothing."""
    warm = steps / 20
    return min(step / warm, 0.5 + 0.5 * math.cos(math.pi * step / steps))


def batches(
    photos: Sequence[Photo], recipe: Recipe, states: CaptionStates, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Give one epoch's batches: photographs (n,), and captions of each (n, recipe.captions)."""
    order = rng.permutation(select(photos, "train"))
    for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
        chosen = order[start : start + recipe.batch]
        low, high = states.first[chosen, None], states.first[chosen + 1, None]
        offsets = np.argsort(rng.random((len(chosen), 8)), axis=1)[:, : recipe.captions]
        yield chosen, low + offsets % (high - low)


def window(
    views: Sequence[npt.NDArray[np.float16]], chosen: npt.NDArray[np.int64], rng: np.random.Generator
) -> Tensor:
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
    return torch.from_numpy(array).bfloat16().permute(0, 3, 1, 2)


def train(
    model: Model,
    photos: Sequence[Photo],
    states: CaptionStates,
    cache: Path,
    recipe: Recipe,
    checkpoint: Path,
) -> Model:
    """Run one recipe to its end, resuming from `checkpoint`, and return the averaged model."""
    views = [np.load(cache / f"view{v}.npy", mmap_mode="r") for v in range(recipe.views)]
    groups = _parameter_groups(model, recipe)
    optimizer = torch.optim.AdamW(groups, lr=1.0)
    averaged = copy.deepcopy(model).eval()
    first = 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        averaged.load_state_dict(kept["averaged"])
        optimizer.load_state_dict(kept["optimizer"])
        first = kept["epoch"]
    steps = recipe.epochs * (len(select(photos, "train")) // recipe.batch)
    step = first * steps // recipe.epochs
    for epoch in range(first, recipe.epochs):
        began, rng = time.perf_counter(), np.random.default_rng((SEED, epoch))
        torch.manual_seed(SEED + epoch)  # dropout
        sums: dict[str, float] = {}
        model.train()
        model.image_top.eval()  # its batch statistics stay as published
        if recipe.text_rate == 0:
            model.text_top.eval()
        for chosen, captions in batches(photos, recipe, states, rng):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * rate_at(step, steps)
            activations = window(views, chosen, rng)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                parts = losses(model, activations, states, captions, recipe.soft_share)
            optimizer.zero_grad()
            sum(parts.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            _follow(averaged, model, min(recipe.average, step / (step + 10)))
            if step % 20 == 0:
                log.info("step %d: %s", step, {n: round(v.item(), 3) for n, v in parts.items()})
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value.item()
        count = steps // recipe.epochs
        log.info(
            "epoch %d: %s, %.0f s",
            epoch + 1,
            {n: round(s / count, 3) for n, s in sums.items()},
            time.perf_counter() - began,
        )
        torch.save(
            {
                "model": model.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch + 1,
            },
            checkpoint,
        )
    return averaged


@torch.no_grad()
def _follow(averaged: Model, model: Model, keep: float) -> None:
    for mine, theirs in zip(averaged.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - keep)
