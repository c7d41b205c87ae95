"""LateInteraction: each word meets the cell it fits best (FILIP, arXiv 2111.07783, with a soft maximum).

Cheap, and an explanation by construction.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from engine.fusion.layers import fits_of


class LateInteraction(nn.Module):
    """The weighted mean over words of the soft maximum over cells."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.word_weight = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        self.sharpness = nn.Parameter(torch.tensor(10.0))  # of the soft maximum

    def weights(self, words: Tensor, real: Tensor) -> Tensor:
        """Share out one unit of weight over the real words: (n, w, width) -> (n, w)."""
        scores: Tensor = self.word_weight(words)[..., 0].masked_fill(~real, -1e4)
        return scores.softmax(-1) * real  # a text without words weighs nothing

    def soft_maximum(self, fits: Tensor) -> Tensor:
        """Take the soft maximum over the last axis, never above the true one."""
        sums = (self.sharpness * fits).logsumexp(-1)
        return (sums - math.log(fits.shape[-1])) / self.sharpness

    def all_pairs(self, words: Tensor, real: Tensor, cells: Tensor) -> Tensor:
        """Score n texts (n, w, width) against m pictures (m, c, width): (n, m)."""
        weights = self.weights(words, real)[real]  # (r,), r being all real words of all texts
        fits = (
            words[real] @ cells.flatten(0, 1).T
        ).float()  # (r, m * c); bfloat16 is too coarse for what follows
        best = self.soft_maximum(fits.view(-1, *cells.shape[:2]))  # (r, m)
        scores = best.new_zeros(len(words), len(cells))
        return scores.index_add(0, real.nonzero()[:, 0], best * weights[:, None])

    def forward(self, words: Tensor, real: Tensor, cells: Tensor) -> Tensor:
        """Score n pairs, or one side against n of the other (its first axis being 1): (n,)."""
        fits = fits_of(words, cells)  # (n, w, c)
        return (self.soft_maximum(fits) * self.weights(words, real)).sum(-1)
