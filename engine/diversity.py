"""Diversity: trade some relevance for hits that differ from one another."""

from __future__ import annotations

import numpy as np

from engine.types import Floats, Ids


def diversified(scores: Floats, vectors: Floats, diversity: float, taken: Ids) -> Ids:
    """Order n candidates by maximal marginal relevance: the places of all but those taken, best first.

    Each next one maximizes (1 - diversity) * relevance - diversity * likeness, the likeness being its
    largest cosine to those before it; relevance is its score, from 0 for the lowest to 1 for the
    highest. `vectors` is (n, dim), unit length; `taken` (m,) are the places of those that earlier pages
    have shown. (Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking, SIGIR 1998.)
    """
    spread = float(np.ptp(scores)) if len(scores) else 0.0
    relevance = (scores - scores.min()) / spread if spread else np.zeros_like(scores)
    value = ((1 - diversity) * relevance).astype(np.float64)
    value[taken] = -np.inf
    likeness = np.zeros(len(scores), dtype=np.float32)
    if len(taken):
        likeness = (vectors @ vectors[taken].T).max(axis=1)
    order = np.empty(len(scores) - len(taken), dtype=np.int64)
    for turn in range(len(order)):
        place = int((value - diversity * likeness).argmax())
        order[turn] = place
        value[place] = -np.inf
        likeness = np.maximum(likeness, vectors @ vectors[place])
    return order
