"""The joint vector of `mini`: two opinions of an input, a vocabulary, and the crowd it stands in.

- The tuned towers know what photographs of people and dogs are about, and know their own too well.
  Plain heads on the untouched towers know less and forget less: the two together find more.
- The published classifiers name what no caption taught: the names they give a picture, each as the
  vector of its text, are added in.
- Some pictures are near every text, and stand in the way of the right one (hubs). How near an
  input is to a bank of others is taken off its score (query bank normalization, arXiv 2112.12777).

The last is folded into two more dimensions, so that the score stays a cosine: an item's vector
holds what is taken off where a query's holds a constant.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.encoders.mini_heads import DIM
from engine.encoders.mini_shape import (
    CAPTION_CROWD,
    CLASS_SHARE,
    CONSTANT,
    PICTURE_CROWD,
    PLAIN_SHARE,
    RANK,
    SHARPNESS,
)
from engine.encoders.mini_towers import CLASSES, MEANS_WIDTH, TEXT_WIDTH

CAPTIONS, PICTURES = 9_600, 2_000  # in the banks


class PlainHead(nn.Module):
    """From the means of published towers to the joint space, by one layer and a residual two."""

    center: Tensor
    spread: Tensor

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.line = nn.Linear(width, DIM)
        self.mix = nn.Sequential(
            nn.LayerNorm(DIM),
            nn.Linear(DIM, 2 * DIM),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * DIM, DIM),
        )
        last = self.mix[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, means: Tensor) -> Tensor:
        """Map (n, width) to unit vectors (n, DIM)."""
        vectors = self.line(self.drop(self.norm((means - self.center) / self.spread)))
        return F.normalize(vectors + self.mix(vectors), dim=-1)


class Joint(nn.Module):
    """What makes one unit vector of JOINT_DIM of all that is known of an input."""

    classes: Tensor
    basis: Tensor
    captions: Tensor
    photographs: Tensor
    usual: Tensor

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.image, self.text = PlainHead(MEANS_WIDTH, dropout), PlainHead(TEXT_WIDTH, dropout / 2)
        self.register_buffer("classes", torch.zeros(CLASSES, DIM))  # their names' vectors, less the mean
        self.register_buffer("basis", torch.zeros(2 * DIM, RANK))
        self.register_buffer("captions", torch.zeros(CAPTIONS, RANK))
        self.register_buffer("photographs", torch.zeros(PICTURES, RANK))
        self.register_buffer("usual", torch.zeros(2))  # nearness of pictures and texts to those banks

    def pictures(self, vectors: Tensor, means: Tensor, shown: Tensor) -> Tensor:
        """Map the tuned head's vectors (n, DIM) and what the published towers say to (n, JOINT_DIM).

        `means` (n, MEANS_WIDTH) are theirs, `shown` (n, CLASSES) what they say that a picture shows.
        """
        inner = self.inner(self.opinions_of_pictures(vectors, means, shown))
        taken = CAPTION_CROWD * (nearness(inner, self.captions) - self.usual[0])
        return _beside(inner, -taken / CONSTANT, torch.full_like(taken, CONSTANT))

    def texts(self, vectors: Tensor, means: Tensor) -> Tensor:
        """Map the tuned head's vectors (n, DIM) and the published tower's means to (n, JOINT_DIM)."""
        inner = self.inner(self.opinions_of_texts(vectors, means))
        taken = PICTURE_CROWD * (nearness(inner, self.photographs) - self.usual[1])
        return _beside(inner, torch.full_like(taken, CONSTANT), -taken / CONSTANT)

    def opinions_of_pictures(self, vectors: Tensor, means: Tensor, shown: Tensor) -> Tensor:
        """Lay both opinions of pictures side by side, the names of what they show added in: (n, 2 * DIM)."""
        named = F.normalize(vectors + CLASS_SHARE * shown @ self.classes, dim=1)
        return torch.cat([named, PLAIN_SHARE**0.5 * self.image(means)], 1)

    def opinions_of_texts(self, vectors: Tensor, means: Tensor) -> Tensor:
        """Lay both opinions of texts side by side: (n, 2 * DIM)."""
        return torch.cat([vectors, PLAIN_SHARE**0.5 * self.text(means)], 1)

    def inner(self, opinions: Tensor) -> Tensor:
        """Project both opinions to unit vectors, the crowd left out: (n, RANK)."""
        return F.normalize(opinions @ self.basis, dim=1)


def nearness(inner: Tensor, bank: Tensor) -> Tensor:
    """Measure how near unit vectors (n, RANK) are to a bank (m, RANK), the nearest most: (n,)."""
    sums = (SHARPNESS * inner @ bank.T).logsumexp(1)
    return (sums - torch.tensor(float(len(bank))).log()) / SHARPNESS


def _beside(inner: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return F.normalize(torch.cat([inner, first[:, None], second[:, None]], 1), dim=1)
