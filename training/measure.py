"""Recall: plain full-matrix R@k over vectors, with bootstrap intervals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
CUTS = (1, 5, 10)


def ranks_text_to_image(scores: Floats, owner: Ints) -> Ints:
    """Rank (from 0) of each text's own picture; `scores` (texts, pictures), `owner` (texts,)."""
    own = scores[np.arange(len(owner)), owner]
    return (scores > own[:, None]).sum(1)


def ranks_image_to_text(scores: Floats, owner: Ints) -> Ints:
    """Rank (from 0) of each picture's best own text; `scores` (texts, pictures)."""
    best = np.full(scores.shape[1], -np.inf, np.float32)
    np.maximum.at(best, owner, scores[np.arange(len(owner)), owner])
    return (scores > best).sum(0)


def recall_at(ranks: Ints) -> dict[str, float]:
    """Turn ranks into R@1, R@5 and R@10, in percent."""
    return {f"R@{k}": round(100 * float((ranks < k).mean()), 1) for k in CUTS}
