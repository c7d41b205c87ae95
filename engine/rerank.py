"""Reranker: the protocol of the second stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engine.types import Candidates, Encoded, Floats, Kind, WordMap


class Reranker(Protocol):
    """Scores candidates from their stored tokens; it encodes no picture."""

    name: str
    stamp: str

    def supports(self, query: Kind, item: Kind) -> bool:
        """Say whether queries of that kind can be matched against items of that kind."""
        ...

    def score(self, query: Encoded, kind: Kind, candidates: Candidates) -> Mapping[str, Floats]:
        """Score one query (`len(query) == 1`) of `kind` against n candidates.

        Returns named contributions, each (n,) float32; their sum is the score that orders them.
        """
        ...

    def probability(self, scores: Floats, query: Kind, item: Kind, items: int) -> Floats | None:
        """Turn scores (n,) into probabilities of relevance, or `None` when not calibrated.

        `items` is how many were searched: the same score says less where more could have it.
        """
        ...

    def explain(self, text: str, query: Encoded, candidates: Candidates) -> list[tuple[WordMap, ...]]:
        """Tell, for each picture among the candidates, where each word of the text looked."""
        ...
