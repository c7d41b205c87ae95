"""The heads of `mini`: from a tower's grid of cells or row of word pieces to the joint space.

The same head serves both sides. It makes one unit vector an input, for recall, and one small
unit token a cell or word piece, for the reranker.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.encoders.mini_shape import TOKEN_DIM

DIM = 512  # of the joint space
POOL_HEADS = 8


class Head(nn.Module):
    """Attention pooling beside the mean, and a projection of each position.

    Each of POOL_HEADS scores the positions with a learned query, averages them, and projects the average to
    its share of the vector, as in CLIP's attention pooling (arXiv 2103.00020) with the queries as weights.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, POOL_HEADS)
        self.values = nn.Linear(width, DIM)
        self.mean = nn.Linear(width, DIM)
        self.mix = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, DIM), nn.GELU(), nn.Linear(DIM, DIM))
        self.token = nn.Linear(width, TOKEN_DIM)
        last = self.mix[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # starts as a plain sum of the two poolings
        nn.init.zeros_(last.bias)

    def forward(self, positions: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, t, width), with `real` (n, t) bool, to vectors (n, DIM) and tokens (n, t, TOKEN_DIM).

        Tokens of positions that are not real are zeros.
        """
        positions = self.norm(positions)
        share = real.to(positions.dtype)[..., None]  # (n, t, 1)
        average = (positions * share).sum(1) / share.sum(1).clamp(min=1)
        scores = self.scores(positions).masked_fill(~real[..., None], -1e4)  # (n, t, heads)
        looked = scores.softmax(1).transpose(1, 2) @ self.drop(positions)  # (n, heads, width)
        weights = self.values.weight.view(
            POOL_HEADS, -1, self.values.in_features
        )  # (heads, dim / heads, width)
        pooled = torch.einsum("nhw,hdw->nhd", looked, weights).flatten(1) + self.values.bias
        vectors = self.mean(self.drop(average)) + pooled
        vectors = vectors + self.mix(vectors)
        tokens = F.normalize(self.token(self.drop(positions)), dim=-1) * share
        return F.normalize(vectors, dim=-1), tokens


def merged(heads: Iterable[nn.Module], grids: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Add up what networks' heads make of their grids (n, t, width), which is of one space.

    Gives unit vectors (n, DIM) and unit tokens (n, t, TOKEN_DIM).
    """
    each = [
        head(grid, grid.new_ones(grid.shape[:2], dtype=torch.bool))
        for head, grid in zip(heads, grids, strict=True)
    ]
    vectors, tokens = (
        torch.stack([part.float() for part in parts]).sum(0) for parts in zip(*each, strict=True)
    )
    return F.normalize(vectors, dim=-1), F.normalize(tokens, dim=-1)
