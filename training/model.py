"""What is trained of the encoder, from the frozen parts' output on."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.encoders.mini_heads import Head, merged
from engine.encoders.mini_shape import TOKEN_DIM
from engine.encoders.mini_towers import IMAGE_WIDTH, NETWORKS, TEXT_WIDTH, ImageTower, TextTower
from engine.fusion import LateInteraction

SHARPNESS = math.log(20.0)  # of the scores, to begin with


class Model(nn.Module):
    """The last parts of all towers, their heads, and the late interaction between their tokens."""

    def __init__(self, image: ImageTower, text: TextTower, dropout: float) -> None:
        super().__init__()
        self.image_tops: Any = nn.ModuleList(sight.top for sight in image.sights)
        self.text_top = text.top
        self.image_heads: Any = nn.ModuleList(Head(IMAGE_WIDTH, dropout) for _ in NETWORKS)
        self.text_head = Head(TEXT_WIDTH, dropout)
        self.late = LateInteraction(TOKEN_DIM)
        self.vector_scale = nn.Parameter(torch.tensor(SHARPNESS))
        self.token_scale = nn.Parameter(torch.tensor(SHARPNESS))

    def look(self, network: int, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Map a network's activations (n, channels, h, w) to vectors (n, DIM), tokens (n, t, TOKEN_DIM)."""
        cells = self._grid(network, activations)
        vectors, tokens = self.image_heads[network](cells, cells.new_ones(cells.shape[:2], dtype=torch.bool))
        return vectors.float(), tokens

    def pictures(self, activations: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Map those of all networks to vectors (n, DIM) and tokens (n, cells, TOKEN_DIM)."""
        return merged(self.image_heads, [self._grid(k, own) for k, own in enumerate(activations)])

    def _grid(self, network: int, activations: Tensor) -> Tensor:
        grid: Tensor = self.image_tops[network](activations)
        return grid.float().permute(0, 2, 3, 1).flatten(1, 2)

    def texts(self, hidden: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, t, TEXT_WIDTH) to vectors (n, DIM) and tokens (n, t, TOKEN_DIM)."""
        for layer in self.text_top:
            hidden = layer(hidden, real[:, None, None, :])
        vectors, tokens = self.text_head(hidden, real)
        return vectors.float(), tokens


@torch.no_grad()
def soup(models: Sequence[Model]) -> Model:
    """Average the weights of models that descend from one another (arXiv 2203.05482)."""
    mixed = copy.deepcopy(models[0])
    for name, tensor in mixed.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.stack([model.state_dict()[name] for model in models]).mean(0))
    return mixed
