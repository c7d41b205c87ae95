"""The fusion model: how well a text and a picture match, judged from their tokens alone.

Two pair functions over unit tokens: `LateInteraction`, and a `Judge` of one of three families. The
judge of every family keeps one contract: words (n, w, dim) with `real` (n, w) and cells (n, c, dim)
give a verdict (n,), and `explained` says beside it where each word looked.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from engine.fusion.judge import Judge
from engine.fusion.late import LateInteraction
from engine.fusion.layers import FAMILIES

__all__ = ["CROSS", "FAMILIES", "FusionModel", "Judge", "Judged", "LateInteraction", "Shape"]
CROSS = "cross"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a fusion model is built by; `width` is that of its states, `dim` that of the tokens."""

    dim: int
    depth: int
    family: str = CROSS
    width: int | None = None  # as wide as the tokens
    align: bool = False  # learn a linear map of the words first: for tokens that were never aligned


class FusionModel(nn.Module):
    """The two pair functions together, as they are trained and shipped."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.align: nn.Module = nn.Identity()
        if shape.align:
            self.align = nn.Linear(shape.dim, shape.dim, bias=False)
            nn.init.eye_(self.align.weight)
        self.late = LateInteraction(shape.dim)
        self.cross = Judge(shape.dim, shape.depth, FAMILIES[shape.family], shape.width or shape.dim)

    def forward(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Judge n pairs, or one side against n of the other: by late interaction, and by the judge."""
        words = self.aligned(words)
        return self.late(words, real, cells), self.cross(words, real, cells)

    def aligned(self, words: Tensor) -> Tensor:
        """Turn words toward the cells, where that was learned."""
        return F.normalize(self.align(words), dim=-1) if self.shape.align else words


class Judged(nn.Module):
    """All that a fusion model has to say of n pairs."""

    def __init__(self, model: FusionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Give both scores (n,), and where each word looks: see `Judge.explained`."""
        words = self.model.aligned(words)
        verdict, attention, shares = self.model.cross.explained(words, real, cells)
        return self.model.late(words, real, cells), verdict, attention, shares
