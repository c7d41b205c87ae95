"""Searches as they are reranked, in galleries of several sizes: what leads and scores are worth there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.fusion_reranker import FusionReranker
from engine.rerank import Candidates, Read
from training.calibrate import SHOWN
from training.evidence import Asked, Bools
from training.gallery import DEPTH, Floats, Ints


@dataclass(frozen=True)
class Judged:
    """m searches: among how many `items`, the `lead` of the first by recall, whether reranking moved it.

    `scores` and `right` (m, SHOWN) are those of the best after reranking, filled up with -inf and false.
    """

    items: Ints
    lead: Floats
    upset: Bools
    scores: Floats
    right: Bools
    first_is_right: Bools  # before reranking

    def of_size(self, items: int) -> Judged:
        """Take the searches of galleries of one size."""
        some = self.items == items
        return Judged(*(getattr(self, name)[some] for name in self.__annotations__))


def judge(
    reranker: FusionReranker, asked: Asked, sizes: Sequence[int], count: int, rng: np.random.Generator
) -> Judged:
    """Put some queries to random galleries that hold their own picture, and rerank the best."""
    pictures, rows = asked.pictures, []
    assert pictures.tokens is not None and pictures.lengths is not None
    for query in rng.permutation(len(asked.cosines))[:count].tolist():
        own = int(asked.owner[query])
        strangers = np.delete(np.arange(asked.cosines.shape[1]), own)
        for size in sizes:
            if size > len(strangers) + 1:
                continue
            among = np.append(rng.permutation(strangers)[: size - 1], own)
            order = among[np.argsort(-asked.cosines[query, among], kind="stable")][:DEPTH]
            recall = asked.cosines[query, order]
            candidates = Candidates("image", order, recall, pictures.tokens[order], pictures.lengths[order])
            parts = reranker.score(Read("text", "", asked.texts.row(int(asked.rows[query]))), candidates)
            total = np.stack(list(parts.values())).sum(0)
            best = np.argsort(-total, kind="stable")[:SHOWN]
            scores, right = np.full(SHOWN, -np.inf, np.float32), np.zeros(SHOWN, np.bool_)
            scores[: len(best)], right[: len(best)] = total[best], order[best] == own
            rows.append((size, recall[0] - recall[1], best[0] != 0, scores, right, order[0] == own))
    return Judged(*(np.array(column) for column in zip(*rows, strict=True)))
