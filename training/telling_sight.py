"""Telling, the detectors: logistic regression of the words of captions on the tokens of pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from engine.telling.sight import Seen, Sight, fits, pooled, unit
from engine.types import Floats, Tokens
from training.data import SEED

log = logging.getLogger("training")
BATCH = 256
RATE = 4e-3
DECAY = 2e-2  # of the weights over pooled tokens: the photographs are few
MOMENTS = 0.9, 0.99


def shares(captions: Sequence[Sequence[Sequence[str]]], words: Sequence[str]) -> Floats:
    """Return the share of each photograph's captions that have a word: (photographs, words)."""
    number = {word: place for place, word in enumerate(words)}
    share = np.zeros((len(captions), len(words)), np.float32)
    for row, of_one in zip(share, captions, strict=True):
        for caption in of_one:
            row[[number[word] for word in set(caption) if word in number]] += 1 / len(of_one)
    return share


def look(tokens: Tokens, looks: Floats) -> Seen:
    """Pool the tokens of photographs, and fit every word to them."""
    x = np.empty((len(tokens), 2 * tokens.shape[2]), np.float32)
    best = np.empty((len(tokens), len(looks)), np.float32)
    for start in range(0, len(tokens), BATCH):
        cells = unit(tokens[start : start + BATCH])
        x[start : start + BATCH], best[start : start + BATCH] = pooled(cells), fits(looks, cells)
    return Seen(x, best)


def train(seen: Seen, share: Floats, looks: Floats, rounds: int) -> Sight:
    """Fit the detectors to photographs, by Adam on the gradient of the logistic loss, which is short."""
    mean, spread = seen.best.mean(0), seen.best.std(0) + 1e-4
    z, center, usual = (seen.best - mean) / spread, seen.pooled.mean(0), share.mean(0)
    x = seen.pooled - center
    clipped = np.clip(usual, 1e-5, 1 - 1e-5)
    sides = [
        np.zeros((x.shape[1], len(looks)), np.float32),
        np.full(len(looks), 0.3, np.float32),
        np.log(clipped / (1 - clipped)).astype(np.float32),
    ]
    moments = [[np.zeros_like(side), np.zeros_like(side)] for side in sides]
    rng, step, steps = np.random.default_rng(SEED), 0, rounds * -(-len(x) // BATCH)
    for turn in range(rounds):
        total = 0.0
        for start in range(0, len(order := rng.permutation(len(x))), BATCH):
            some = order[start : start + BATCH]
            logits = x[some] @ sides[0] + sides[1] * z[some] + sides[2]
            off = 0.5 + 0.5 * np.tanh(logits / 2) - share[some]
            total += float(np.square(off).sum())
            off /= len(some)
            slopes = [x[some].T @ off, (off * z[some]).sum(0), off.sum(0)]
            step += 1
            rate = RATE * min(1.0, 10 * step / steps) * (1 - step / (steps + 1))
            sides[0] *= 1 - rate * DECAY
            for side, slope, (first, second) in zip(sides, slopes, moments, strict=True):
                first += (1 - MOMENTS[0]) * (slope - first)
                second += (1 - MOMENTS[1]) * (slope * slope - second)
                scale = np.sqrt(second / (1 - MOMENTS[1] ** step)) + 1e-8
                side -= rate * (first / (1 - MOMENTS[0] ** step)) / scale
        log.info("detectors: round %d, squared error %.4f a photograph", turn + 1, total / len(x))
    return Sight(looks, mean, spread, sides[0], sides[1], sides[2] - center @ sides[0], usual)
