"""FusionReranker: recall, late interaction and cross-attention, blended and calibrated.

It reads stored tokens only. How much each part counts, and what a score says about relevance, was
learned on held-back photographs, for each direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from engine.fusion import FusionModel
from engine.rerank import Candidates, Read
from engine.types import Encoded, Floats, Kind, Tokens, WordMap

AMONG = 1000.0  # items
Spans = Callable[[str], list[tuple[str, int, int]]]


@dataclass(frozen=True, slots=True)
class Blend:
    """The weight of each part of a score, and the logistic that makes it a probability.

    The logistic was fitted in a gallery of `among` items. In another size its logit falls by `crowd` for each
    unit of the logarithm of how many times as many there are: the more items, the more others look right.
    """

    visual: float
    late: float
    fusion: float
    slope: float
    offset: float
    crowd: float = 0.0
    among: float = AMONG


def direction(name: str) -> tuple[str, str]:
    """Read the kinds of query and item out of a direction's name, such as "text-to-image"."""
    query, item = name.split("-to-")
    return query, item


class FusionReranker:
    """Scores pairs of a text and a picture, whichever of the two is the query."""

    reads: Literal["tokens", "pictures"] = "tokens"

    def __init__(
        self,
        model: FusionModel,
        blends: Mapping[tuple[str, str], Blend],
        spans: Spans,
        stamp: str,
        name: str = "mini-fusion",
    ) -> None:
        self.name = name
        self.stamp = stamp
        self.model = model.eval()
        self.blends = dict(blends)
        self._spans = spans
        self._device = model.late.sharpness.device

    def supports(self, query: Kind, item: Kind) -> bool:
        """Say whether the direction has a learned blend."""
        return (query, item) in self.blends

    def score(self, query: Read, candidates: Candidates) -> Mapping[str, Floats]:
        """Score candidates; see `Reranker`. The parts are "visual", "late" and "fusion"."""
        blend = self.blends[query.kind, candidates.kind]
        with torch.inference_mode():
            words, real, cells = self._sides(query.encoded, query.kind, candidates)
            words = self.model.aligned(words)
            fusion = self.model.cross(words, real, cells)
            late = self.model.late(words, real, cells) if blend.late else torch.zeros_like(fusion)
        return {
            "visual": np.float32(blend.visual) * candidates.recall.astype(np.float32),
            "late": np.float32(blend.late) * late.cpu().numpy(),
            "fusion": np.float32(blend.fusion) * fusion.cpu().numpy(),
        }

    def probability(self, scores: Floats, query: Kind, item: Kind, items: int) -> Floats | None:
        """Turn scores into probabilities of relevance (Platt, 1999), among so many items."""
        blend = self.blends.get((query, item))
        if blend is None:
            return None
        shift = blend.crowd * np.log(max(items, 1) / blend.among)
        logits = blend.slope * scores.astype(np.float64) + blend.offset - shift
        chances: Floats = (0.5 + 0.5 * np.tanh(logits / 2)).astype(np.float32)  # it never overflows
        return chances

    def explain(self, query: Read, candidates: Candidates) -> list[tuple[WordMap, ...]]:
        """Tell where each word of the text looked, from the cross-attention; see `Reranker`."""
        words, real, cells = self._sides(query.encoded, query.kind, candidates)
        with torch.inference_mode():
            attention, weights = self.model.attention(words, real, cells)
        # float64, so that the sums are 1 to the last digit a caller can see
        maps = (attention * weights[..., None]).cpu().numpy().astype(np.float64)  # (n, w, c)
        spans = [span for span in self._spans(query.text) if span[2] <= words.shape[1]]
        return [
            tuple(_word_map(word, grid[start:stop].sum(0)) for word, start, stop in spans) for grid in maps
        ]

    def _sides(self, query: Encoded, kind: Kind, candidates: Candidates) -> tuple[Tensor, Tensor, Tensor]:
        """Tell the text side from the picture side: words (n or 1, w, d), real (n or 1, w), cells."""
        assert query.tokens is not None and query.lengths is not None
        if kind == "text":
            words, lengths, cells = query.tokens, query.lengths, candidates.tokens
        else:
            words, lengths, cells = candidates.tokens, candidates.lengths, query.tokens
        longest = max(1, int(lengths.max(initial=0)))
        real = np.arange(longest) < lengths[:, None]
        return self._unit(words[:, :longest]), torch.from_numpy(real).to(self._device), self._unit(cells)

    def _unit(self, tokens: Tokens) -> Tensor:
        return torch.from_numpy(tokens.astype(np.float32) / 127).to(self._device)


def _word_map(word: str, share: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> WordMap:
    weight = float(share.sum())
    side = isqrt(len(share))
    grid = share / weight if weight > 0 else np.full(len(share), 1 / len(share))
    return WordMap(word, weight, grid.reshape(side, side).astype(np.float32))
