"""The layers of the three families: how words and cells read each other.

cross    the words read the cells, which stay as they are (the reading half of LXMERT)
two      two streams that read each other and then themselves (LXMERT, arXiv 1908.07490)
single   one stream of words and cells together (VisualBERT, arXiv 1908.03557)

Each maps words (n, w, width), with `real` (n or 1, w), cells (n, c, width), and the fits of their
tokens (n, w, c) to new words, new cells, and where each word looked (n, w, c), adding up to 1 over
the cells. Where the cells stay as they are they are tokens: (n or 1, c, dim).
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

FAR = -1e4  # the logit of what is not there


class Stream(nn.Module):
    """Attention over the other side, attention over one's own, and a two-layer network."""

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width)
        self.cells = nn.Linear(dim, 2 * width)  # keys and values
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), 10.0))  # of the fit, in each head
        self.read = nn.Linear(width, width)
        self.among = nn.Linear(width, 3 * width)  # queries, keys and values of one's own
        self.mixed = nn.Linear(width, width)
        self.network = _network(width)

    def update(
        self, states: Tensor, real: Tensor | None, other: Tensor, fits: Tensor, there: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Update states (n, t, width) from `other` (n or 1, u, other width), and tell where they looked.

        `fits` is (n, t, u); `real` (n or 1, t) and `there` (n or 1, u) leave padding out (`None`: none).
        """
        (query,) = _split(self.query(self.norms[0](states)), 1, self.heads)
        bias = self.sharpness * fits[:, None]  # (n, heads, t, u)
        bias = bias + _hidden(there, bias)
        if other.shape[0] == states.shape[0] > 1 and states.shape[1] < other.shape[1]:
            looked, found = self._look(query, other, bias)
        else:
            keys, values = _split(self.cells(other), 2, self.heads)
            looked = _attention(query, keys, bias)
            found = looked @ values
        states = states + self.read(_joined(found))
        query, keys, values = _split(self.among(self.norms[1](states)), 3, self.heads)
        heard = _attention(query, keys, _hidden(real, states))
        states = states + self.mixed(_joined(heard @ values))
        return states + self.network(self.norms[2](states)), looked.mean(1)

    def _look(self, query: Tensor, other: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Attend from few to many, and tell where they looked and what they found: (n, heads, t, u), (…, d).

        The same numbers as by keys and values, but for rounding: q (W c) is (q W) c, so what projects each of
        many cells may project the few queries. What a key adds for all cells alike, softmax takes away.
        """
        n, heads, t, d = query.shape
        keys, values = self.cells.weight.view(2, heads, d, -1)
        turned = torch.einsum("nhtd,hdk->nhtk", query, keys).flatten(1, 2)  # (n, heads * t, other width)
        logits = (turned @ other.transpose(1, 2)).view(n, heads, t, -1)
        looked = (logits * d**-0.5 + bias).softmax(-1)
        seen = (looked.flatten(1, 2) @ other).view(n, heads, t, -1)
        found = torch.einsum("nhtk,hdk->nhtd", seen, values)
        return looked, found + self.cells.bias.view(2, heads, 1, d)[1]


class CrossLayer(Stream):
    """The words read the cells, then each other; `dim` is the width of a cell."""

    moves_cells = False

    def forward(
        self, words: Tensor, real: Tensor, cells: Tensor, fits: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        words, looked = self.update(words, real, cells, fits, None)
        return words, cells, looked


class TwoLayer(nn.Module):
    """Words and cells read each other at once, then each its own side."""

    moves_cells = True

    def __init__(self, _dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.words = Stream(width, width, heads)
        self.cells = Stream(width, width, heads)

    def forward(
        self, words: Tensor, real: Tensor, cells: Tensor, fits: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        new, looked = self.words.update(words, real, cells, fits, None)
        cells, _ = self.cells.update(cells, None, words, fits.transpose(1, 2), real)
        return new, cells, looked


class SingleLayer(nn.Module):
    """Attention over words and cells laid end to end, and a two-layer network."""

    moves_cells = True

    def __init__(self, _dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), 10.0))  # of the fit, in each head
        self.among = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.network = _network(width)

    def forward(
        self, words: Tensor, real: Tensor, cells: Tensor, fits: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, w, c = fits.shape
        states = torch.cat([words, cells], 1)  # (n, w + c, width)
        across = self.sharpness * fits[:, None]  # (n, heads, w, c)
        above = torch.cat([across.new_zeros(n, self.heads, w, w), across], -1)
        below = torch.cat([across.transpose(2, 3), across.new_zeros(n, self.heads, c, c)], -1)
        there = torch.cat([real.expand(n, -1), real.new_ones(n, c)], 1)
        query, keys, values = _split(self.among(self.norms[0](states)), 3, self.heads)
        heard = _attention(query, keys, torch.cat([above, below], 2) + _hidden(there, across))
        states = states + self.mixed(_joined(heard @ values))
        states = states + self.network(self.norms[1](states))
        looked = heard[:, :, :w, w:].mean(1)
        return states[:, :w], states[:, w:], looked / looked.sum(-1, keepdim=True).clamp(min=1e-6)


Layer: TypeAlias = CrossLayer | TwoLayer | SingleLayer
FAMILIES: dict[str, type[Layer]] = {"cross": CrossLayer, "two": TwoLayer, "single": SingleLayer}


def fits_of(words: Tensor, cells: Tensor) -> Tensor:
    """Multiply each word (n or 1, w, dim) with each cell (n or 1, c, dim) of its pair: (n, w, c)."""
    if words.shape[0] == 1 < cells.shape[0]:  # one text, many pictures: one product in place of n small ones
        return (cells @ words[0].T).transpose(1, 2).contiguous()
    return words @ cells.transpose(1, 2)


def _network(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def _split(states: Tensor, count: int, heads: int) -> list[Tensor]:
    """(n, t, count * width) -> count times (n, heads, t, width / heads)."""
    n, t, _ = states.shape
    return list(states.view(n, t, count, heads, -1).permute(2, 0, 3, 1, 4))


def _attention(query: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    logits: Tensor = query @ keys.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias
    return logits.softmax(-1)


def _hidden(there: Tensor | None, like: Tensor) -> Tensor:
    """Logits that leave out what is not there: (n or 1, 1, 1, t)."""
    if there is None:
        return like.new_zeros(1)
    return torch.zeros_like(there, dtype=like.dtype).masked_fill(~there, FAR)[:, None, None, :]


def _joined(read: Tensor) -> Tensor:
    """(n, heads, t, width / heads) -> (n, t, width)."""
    return read.transpose(1, 2).flatten(2)
