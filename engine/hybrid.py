"""Several signals become one score, as a sum of named contributions.

Where a model has learned what each signal counts (`training/hybrid.py`), scores are weighed: on the scale of
what pictures alone score, so that items with and without words stand in one order, and one calibration
holds. Where it has not, ranks are: reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from engine.types import Bitmap, Floats, Signal

RANK_OFFSET = 60  # Cormack's k: how little the first few ranks differ
ALIKE = 5  # scores that agree to so many decimals have the same rank
VECTORS = (Signal.VISUAL, Signal.CAPTION)
Scores = Mapping[Signal, Floats]  # (n,) each; NaN where a signal has nothing to say of an item


@dataclass(frozen=True, slots=True)
class Balance:
    """What words count beside a picture.

    An item with a caption scores pair * picture + caption * cosine + shift + lexical * words, one without
    picture + lexical * words; `picture` is its cosine, or all that the reranker says of it.
    """

    pair: float
    caption: float
    shift: float
    lexical: float


@dataclass(frozen=True, slots=True)
class Learned:
    """The balance of both stages."""

    recall: Balance
    reranked: Balance


Learnings = Mapping[tuple[str, ...], Learned]  # by (kind of query, kind of item)


def read_learnings(config: Path) -> dict[tuple[str, ...], Learned]:
    """Read what a model's config.json has learned of signals, if anything."""
    hybrid = json.loads(config.read_text("utf-8")).get("hybrid", {})
    return {
        tuple(pair.split("-to-")): Learned(Balance(**stages["recall"]), Balance(**stages["reranked"]))
        for pair, stages in hybrid.items()
    }


def fused(scores: Scores, weights: Mapping[Signal, float], balance: Balance | None) -> dict[str, Floats]:
    """Fuse the scores of the first stage into contributions; those of one signal alone are the score."""
    telling = {signal: own for signal, own in scores.items() if np.isfinite(own).any()}
    if len(telling) < 2:
        nothing = np.zeros(len(next(iter(scores.values()), ())), dtype=np.float32)
        return {"recall": next(iter(telling.values()), nothing)}
    if balance is None or Signal.VISUAL not in telling:
        return by_ranks(telling, weights)
    return weigh({Signal.VISUAL.value: telling[Signal.VISUAL]}, telling, weights, balance)


def weigh(
    pair: Mapping[str, Floats], scores: Scores, weights: Mapping[Signal, float], balance: Balance
) -> dict[str, Floats]:
    """Weigh what is known of n items: contributions (n,) of a picture's parts, then of the other signals."""
    parts: dict[str, Floats] = {}
    captioned = has(scores, Signal.CAPTION)
    for name, part in pair.items():
        counts = np.where(captioned, np.float32(balance.pair), np.float32(1)) if captioned.any() else 1
        parts[name] = np.float32(weights[Signal.VISUAL]) * counts * part
    if captioned.any():
        said = np.float32(balance.caption) * scores[Signal.CAPTION] + np.float32(balance.shift)
        parts[Signal.CAPTION.value] = np.where(captioned, np.float32(weights[Signal.CAPTION]) * said, 0)
    for signal in (Signal.LEXICAL, Signal.OCR, Signal.OBJECTS):  # a word counts the same, whoever wrote it
        if has(scores, signal).any():
            weight = np.float32(weights[signal] * balance.lexical)
            parts[signal.value] = weight * np.nan_to_num(scores[signal])
    return {name: part.astype(np.float32) for name, part in parts.items()}


def by_ranks(scores: Scores, weights: Mapping[Signal, float]) -> dict[str, Floats]:
    """Fuse n items by their ranks: each signal contributes its weight over RANK_OFFSET + rank.

    An item without a caption is not behind for it: its other vector counts for both.
    """
    parts: dict[str, Floats] = {}
    vectors = [signal for signal in VECTORS if signal in scores]
    whole = sum(weights[signal] for signal in vectors)
    having = np.sum([has(scores, signal) * np.float32(weights[signal]) for signal in vectors], axis=0)
    for signal, own in scores.items():
        level = np.nan_to_num(own, nan=-np.inf).round(ALIKE)
        ranks = 1 + np.searchsorted(np.sort(-level), -level)  # how many are above, and one
        share = np.float32(weights[signal]) / (RANK_OFFSET + ranks).astype(np.float32)
        if signal in vectors:
            share = share * np.float32(whole) / np.maximum(having, np.float32(1e-9))
        parts[signal.value] = np.where(np.isfinite(own), share, 0).astype(np.float32)
    return parts


def has(scores: Scores, signal: Signal) -> Bitmap:
    """Tell for each item whether a signal has something to say of it."""
    if signal in scores:
        return np.isfinite(scores[signal])
    return np.zeros(len(next(iter(scores.values()))), dtype=bool)


def total(parts: Mapping[str, Floats]) -> Floats:
    """Add contributions up."""
    return reduce(np.add, parts.values())
