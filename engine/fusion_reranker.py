"""FusionReranker: recall, late interaction and cross-attention, blended and calibrated.

It reads stored tokens only. How much each part counts, and what a score says about relevance, was
learned on held-back photographs, for each direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from engine.rerank import Candidates, Read
from engine.types import Bitmap, Encoded, Floats, Kind, Tokens, WordMap

if TYPE_CHECKING:
    from engine.fusion import FusionModel

AMONG = 1000.0  # items
NEAREST = 10
# Words (n, w, d), which are real (n, w), and cells (n, c, d), to what `engine.fusion.Judged` gives.
Judging = Callable[[Floats, Bitmap, Floats], Sequence[Floats]]
Scalar = TypeVar("Scalar", bound=np.generic)
Spans = Callable[[str], list[tuple[str, int, int]]]


@dataclass(frozen=True, slots=True)
class Blend:
    """The weight of each part of a score, and the logistic that makes it a probability.

    The logistic was fitted in a gallery of `among` items. In another size its logit falls by `crowd` for each
    unit of the logarithm of how many times as many there are: the more items, the more others look right.

    A score says less in a gallery where all are high. The logit falls by `rivals` and `level` for each unit
    of what `surroundings` tells of the list, where a stranger scores as `usual`.
    """

    visual: float
    late: float
    fusion: float
    slope: float
    offset: float
    crowd: float = 0.0
    among: float = AMONG
    rivals: float = 0.0
    level: float = 0.0
    usual: float = 0.0


def surroundings(scores: Floats, usual: float) -> tuple[float, float]:
    """Return the log-sum-exp of a list's scores, and the mean of its best NEAREST.

    A shorter list is filled up with strangers, so that of a pair the score still says something.
    """
    filled = np.concatenate([scores, np.full(max(0, NEAREST - len(scores)), usual)]).astype(np.float64)
    best = -np.sort(-filled)[:NEAREST]
    return float(best[0] + np.log(np.exp(filled - best[0]).sum())), float(best.mean())


def direction(name: str) -> tuple[str, str]:
    """Read the kinds of query and item out of a direction's name, such as "text-to-image"."""
    query, item = name.split("-to-")
    return query, item


class FusionReranker:
    """Scores pairs of a text and a picture, whichever of the two is the query."""

    reads: Literal["tokens", "pictures"] = "tokens"

    def __init__(
        self,
        judge: Judging,
        trained: Callable[[], FusionModel],
        blends: Mapping[tuple[str, str], Blend],
        spans: Spans,
        stamp: str,
        name: str = "mini-fusion",
    ) -> None:
        self.name = name
        self.stamp = stamp
        self.judge = judge
        self._trained = trained
        self.blends = dict(blends)
        self._spans = spans

    @property
    def model(self) -> FusionModel:
        """The fusion model in torch, to be measured or to learn on."""
        return self._trained()

    def supports(self, query: Kind, item: Kind) -> bool:
        """Say whether the direction has a learned blend."""
        return (query, item) in self.blends

    def score(self, query: Read, candidates: Candidates) -> Mapping[str, Floats]:
        """Score candidates; see `Reranker`. The parts are "visual", "late" and "fusion"."""
        blend = self.blends[query.kind, candidates.kind]
        late, fusion, _, _ = self.judge(*_sides(query.encoded, query.kind, candidates))
        return {
            "visual": np.float32(blend.visual) * candidates.recall.astype(np.float32),
            "late": np.float32(blend.late) * late,
            "fusion": np.float32(blend.fusion) * fusion,
        }

    def probability(self, scores: Floats, query: Kind, item: Kind, items: int) -> Floats | None:
        """Turn the scores of a list into probabilities of relevance (Platt, 1999), among so many items."""
        blend = self.blends.get((query, item))
        if blend is None:
            return None
        rivals, level = surroundings(scores, blend.usual)
        shift = blend.crowd * np.log(max(items, 1) / blend.among)
        shift += blend.rivals * rivals + blend.level * level
        logits = blend.slope * scores.astype(np.float64) + blend.offset - shift
        chances: Floats = (0.5 + 0.5 * np.tanh(logits / 2)).astype(np.float32)  # it never overflows
        return chances

    def explain(self, query: Read, candidates: Candidates) -> list[tuple[WordMap, ...]]:
        """Tell where each word of the text looked, from the cross-attention; see `Reranker`."""
        _, _, attention, shares = self.judge(*_sides(query.encoded, query.kind, candidates))
        # float64, so that the sums are 1 to the last digit a caller can see
        maps = (attention * shares[..., None]).astype(np.float64)  # (n, w, c)
        spans = [span for span in self._spans(query.text) if span[2] <= shares.shape[1]]
        return [
            tuple(_word_map(word, grid[start:stop].sum(0)) for word, start, stop in spans) for grid in maps
        ]


def _sides(query: Encoded, kind: Kind, candidates: Candidates) -> tuple[Floats, Bitmap, Floats]:
    """Tell the text side from the picture side, and lay the query beside each candidate."""
    assert query.tokens is not None and query.lengths is not None
    if kind == "text":
        words, lengths, cells = query.tokens, query.lengths, candidates.tokens
    else:
        words, lengths, cells = candidates.tokens, candidates.lengths, query.tokens
    longest = max(1, int(lengths.max(initial=0)))
    real = np.arange(longest) < lengths[:, None]
    n = len(candidates)
    return _beside(_unit(words[:, :longest]), n), _beside(real, n), _beside(_unit(cells), n)


def _unit(tokens: Tokens) -> Floats:
    return tokens.astype(np.float32) / np.float32(127)


def _beside(side: npt.NDArray[Scalar], n: int) -> npt.NDArray[Scalar]:
    """Repeat one row n times; n rows are returned as they are."""
    return side if len(side) == n else np.repeat(side, n, axis=0)


def _word_map(word: str, share: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> WordMap:
    weight = float(share.sum())
    side = isqrt(len(share))
    grid = share / weight if weight > 0 else np.full(len(share), 1 / len(share))
    return WordMap(word, weight, grid.reshape(side, side).astype(np.float32))
