"""BERT's layers (Devlin et al., arXiv 1810.04805) on torch alone, with the names of the published weights.

The library that has them loads for as long as torch itself, which a first search from a shell would wait for;
`tests/encoders/test_mini.py` compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

NORM_EPS = 1e-12
DROPOUT = 0.1  # while training


@dataclass(frozen=True, slots=True)
class BertShape:
    """How large a BERT is."""

    width: int
    layers: int
    heads: int
    inner: int
    pieces: int = 30522
    positions: int = 512


class Unfilled(TorchFunctionMode):
    """Within it modules are made without random numbers, for those that are loaded in their place.

    The device "meta" does that too, but imports for longer than the numbers take.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, unless it fills a tensor at random."""
        if function in (nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_):
            return None
        return function(*args, **(kwargs or {}))


class Embeddings(nn.Module):
    """Word pieces at their places: ids (n, t) to (n, t, width)."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.pieces, shape.width)
        self.position_embeddings = nn.Embedding(shape.positions, shape.width)
        self.token_type_embeddings = nn.Embedding(2, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=NORM_EPS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, ids: Tensor) -> Tensor:
        """Look up; every piece is of the first type."""
        places = torch.arange(ids.shape[1], device=ids.device)
        hidden = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        found: Tensor = self.dropout(self.LayerNorm(hidden + self.position_embeddings(places)))
        return found


class Output(nn.Module):
    """A linear map, added to what it stands beside, and normed."""

    def __init__(self, inner: int, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, eps=NORM_EPS)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, inner: Tensor, beside: Tensor) -> Tensor:
        """Map (n, t, inner), beside (n, t, width)."""
        found: Tensor = self.LayerNorm(self.dropout(self.dense(inner)) + beside)
        return found


class SelfAttention(nn.Module):
    """Attention of several heads."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.width, shape.width)
        self.key = nn.Linear(shape.width, shape.width)
        self.value = nn.Linear(shape.width, shape.width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Attend where the mask (n, 1, 1, t) is true."""
        parts = (self.query(hidden), self.key(hidden), self.value(hidden))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        dropout = DROPOUT if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return found.transpose(1, 2).flatten(-2)


class Attention(nn.Module):
    """Self-attention and what is made of it."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.self = SelfAttention(shape)
        self.output = Output(shape.width, shape.width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Map (n, t, width) to the same."""
        found: Tensor = self.output(self.self(hidden, mask), hidden)
        return found


class Intermediate(nn.Module):
    """The wide half of the feed-forward part."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.inner)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (n, t, width) to (n, t, inner)."""
        return F.gelu(self.dense(hidden))


class Layer(nn.Module):
    """One layer: attention, then the feed-forward part."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Intermediate(shape)
        self.output = Output(shape.inner, shape.width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Map (n, t, width) to the same, looking where the mask (n, 1, 1, t) is true."""
        attended = self.attention(hidden, mask)
        found: Tensor = self.output(self.intermediate(attended), attended)
        return found


class Stack(nn.Module):
    """The layers, one after the other."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(shape) for _ in range(shape.layers))


class Bert(nn.Module):
    """Embeddings and layers, to be loaded from published weights."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Stack(shape)
