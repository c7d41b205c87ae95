"""The loop of gradient descent that the towers' last parts are tuned by, whatever they learn."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.checkpoints import Resume
from training.data import SEED
from training.model import Model

log = logging.getLogger("training")


@dataclass(frozen=True)
class Schedule:
    """How long to go on, and how slowly the running average of the weights follows."""

    epochs: int
    steps: int  # of an epoch
    average: float


def descend(
    model: Model,
    groups: Sequence[dict[str, Any]],
    schedule: Schedule,
    lesson: Callable[[int], Iterator[dict[str, Tensor]]],
    resume: Resume,
) -> Model:
    """Go on from a checkpoint to the end, and return the averaged model.

    `groups` are of parameters, each with its highest "rate"; `lesson` gives the losses of every step of an
    epoch. Batch statistics stay as published.
    """
    optimizer = torch.optim.AdamW(list(groups), lr=1.0)
    averaged = copy.deepcopy(model).eval()
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer}
    for epoch in range(resume.load(parts), schedule.epochs):
        began, sums = time.perf_counter(), dict[str, float]()
        torch.manual_seed(SEED + epoch)  # dropout
        model.train()
        model.image_tops.eval()
        for step, losses in enumerate(lesson(epoch), epoch * schedule.steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * rate_at(step, schedule.epochs * schedule.steps)
            optimizer.zero_grad()
            sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            follow(averaged, model, min(schedule.average, step / (step + 10)))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / schedule.steps
            if step % 20 == 0:
                log.info("step %d: %s", step, {n: round(v.item(), 3) for n, v in losses.items()})
        told = {name: round(value, 3) for name, value in sums.items()}
        log.info("epoch %d: %s, %.0f s", epoch + 1, told, time.perf_counter() - began)
        resume.save(parts, epoch + 1)
    return averaged


def rate_at(step: int, steps: int) -> float:
    """Warm up over the first twentieth, then follow half a cosine down to nothing."""
    warm = steps / 20
    return min(step / warm, 0.5 + 0.5 * math.cos(math.pi * step / steps))


@torch.no_grad()
def follow(averaged: nn.Module, model: nn.Module, keep: float) -> None:
    """Move a running average of weights by 1 - keep toward a model's."""
    for mine, theirs in zip(averaged.parameters(), model.parameters(), strict=True):
        mine.lerp_(theirs, 1 - keep)


def head_groups(heads: Sequence[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    """Group the parameters of heads: matrices decay, all else does not."""
    return [
        {"params": [p for p in heads if p.ndim > 1], "rate": rate, "weight_decay": decay},
        {"params": [p for p in heads if p.ndim < 2], "rate": rate, "weight_decay": 0.0},
    ]


def open_top(model: Model, network: int | None) -> None:
    """Let the top of one network learn and no other: not its first block, and no depthwise convolution.

    The backward pass of these costs more than all the rest together.
    """
    model.image_tops.requires_grad_(False)
    if network is None:
        return
    top: Any = model.image_tops[network]
    top.requires_grad_(True)
    top[0][0].requires_grad_(False)
    for module in top.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)
