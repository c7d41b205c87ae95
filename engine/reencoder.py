"""Reencoder: a residual network over a model's text vectors, learned from a gallery's own captions.

It moves only what words ask pictures for, so stored vectors stay as they are (the adapter of
LLM2CLIP, arXiv 2411.04997, and of CLIP-Adapter, arXiv 2110.04544, on the text side).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.types import Floats


class Reencoder(nn.Module):
    """Starts as no change at all."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.shape = {"dim": dim, "width": width}
        self.network = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, dim))
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map unit vectors (n, dim) of texts to unit vectors (n, dim) that pictures are asked with."""
        return F.normalize(vectors + self.network(vectors), dim=-1)

    def reencode(self, vectors: Floats) -> Floats:
        """Do the same to an array."""
        device = next(self.parameters()).device
        with torch.inference_mode():
            moved: Floats = self(torch.from_numpy(vectors).to(device)).cpu().numpy()
        return moved
