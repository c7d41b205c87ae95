"""Reranker: the protocol of the second stage, and what it is given to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from engine.types import Encoded, Floats, Ids, Kind, Tokens, WordMap


@dataclass(frozen=True, slots=True)
class Read:
    """A part of the query that a reranker reads, and its share of all that it reads.

    `text` is what a text says, "" for a picture; `encoded` is one row, with tokens where the model has them.
    """

    kind: Kind
    text: str
    encoded: Encoded
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items from recall, as a reranker sees them; `tokens` and `lengths` as in `Encoded`, or empty.

    `recall` is (n,) float32: the cosine of query and item. `open_picture` reads the bytes of an item's
    picture by its id, and raises `ItemNotFound` where it is gone.
    """

    kind: Kind
    ids: Ids
    recall: Floats
    tokens: Tokens
    lengths: npt.NDArray[np.int16]
    open_picture: Callable[[int], bytes] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> Candidates:
        """Return the best of them."""
        return self.take(np.arange(min(count, len(self))))

    def take(self, rows: Ids) -> Candidates:
        """Return some of them."""
        return Candidates(
            kind=self.kind,
            ids=self.ids[rows],
            recall=self.recall[rows],
            tokens=self.tokens[rows],
            lengths=self.lengths[rows],
            open_picture=self.open_picture,
        )


class Reranker(Protocol):
    """Scores candidates: from their stored tokens, encoding no picture, or from their pictures, read again.

    One that reads tokens weighs recall itself; what one that reads pictures says is added to recall.
    """

    name: str
    stamp: str
    reads: Literal["tokens", "pictures"]

    def supports(self, query: Kind, item: Kind) -> bool:
        """Say whether queries of that kind can be matched against items of that kind."""
        ...

    def score(self, query: Read, candidates: Candidates) -> Mapping[str, Floats]:
        """Score a part of a query against n candidates.

        Returns named contributions, each (n,) float32; their sum is the score that orders them. NaN stands
        where a candidate could not be read.
        """
        ...

    def probability(self, scores: Floats, query: Kind, item: Kind, items: int) -> Floats | None:
        """Turn the scores (n,) of a list into probabilities of relevance, or `None` when not calibrated.

        `items` is how many were searched: the same score says less where more could have it, and less where
        the others of the list have it too.
        """
        ...

    def explain(self, query: Read, candidates: Candidates) -> list[tuple[WordMap, ...]]:
        """Tell, for each picture among the candidates, where each word of the text looked."""
        ...
