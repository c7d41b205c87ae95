"""The fusion model: how well a text and a picture match, judged from their tokens alone.

Two pair functions over unit tokens of TOKEN_DIM:
- LateInteraction: each word meets the cell it fits best; the words' fits are averaged with learned
  weights (FILIP, arXiv 2111.07783, with a soft maximum). Cheap, and an explanation by construction.
- CrossAttention: the words read the cells through attention layers that start as that same
  alignment, then judge the whole (the cross-modality half of LXMERT, arXiv 1908.07490).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


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
        fits = words @ cells.transpose(1, 2)  # (n, w, c)
        return (self.soft_maximum(fits) * self.weights(words, real)).sum(-1)


class CrossAttention(nn.Module):
    """Words read cells, then each other, then the pair is judged.

    A word enters as itself times what it fits best, dimension by dimension: a pair is judged by
    how its parts fit, not by what they are (as in SGRAF, arXiv 2101.01368). The attention over
    cells starts as the fit of the tokens, times a learned sharpness, so it never has to find the
    alignment. The verdict starts at 0: what recall and late interaction say is then all there is.
    """

    def __init__(self, width: int, depth: int, heads: int = 4) -> None:
        super().__init__()
        self.word = nn.Linear(width, width)
        self.match = nn.Linear(width, width)
        self.layers = nn.ModuleList(FusionLayer(width, heads) for _ in range(depth))
        self.weight = nn.Linear(width, 1)
        self.verdict = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1)
        )
        last = self.verdict[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, words: Tensor, real: Tensor, cells: Tensor) -> Tensor:
        """Judge n pairs, or one side against n of the other (its first axis being 1): (n,)."""
        states, weights, _ = self._read(words, real, cells)
        verdict: Tensor = self.verdict((states * weights[..., None]).sum(1))[:, 0]
        return verdict * real.any(-1)

    def attention(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Say where each word looks (n, w, c), over entry, layers and heads, and its share (n, w)."""
        _, weights, maps = self._read(words, real, cells)
        return torch.stack(maps).mean(0), weights * real

    def _read(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Let the words read: their states (n, w, width), their weights (n, w), and each attention."""
        fits = words @ cells.transpose(1, 2)  # (n, w, c)
        maps = [(10 * fits).softmax(-1)]
        states = self.word(words) + self.match(words * (maps[0] @ cells) * words.shape[-1])
        for layer in self.layers:
            states, looked = layer(states, real, cells, fits)
            maps.append(looked)
        weights = self.weight(states)[..., 0].masked_fill(~real, -1e4).softmax(-1)
        return states, weights, maps


class FusionLayer(nn.Module):
    """Attention over cells, attention over words, and a two-layer network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width)
        self.cells = nn.Linear(width, 2 * width)  # keys and values
        self.sharpness = nn.Parameter(torch.full((heads, 1, 1), 10.0))  # of the fit, in each head
        self.read = nn.Linear(width, width)
        self.among = nn.Linear(width, 3 * width)  # queries, keys and values of the words
        self.mixed = nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, states: Tensor, real: Tensor, cells: Tensor, fits: Tensor) -> tuple[Tensor, Tensor]:
        """Update the words' states (n, w, width), and tell where they looked (n, w, c).

        `cells` is (n or 1, c, width), `fits` (n, w, c).
        """
        keys, values = self._split(self.cells(cells), 2)
        (query,) = self._split(self.query(self.norms[0](states)), 1)
        bias = self.sharpness * fits[:, None]  # (n, heads, w, c)
        looked = self._attention(query, keys, bias)  # (n, heads, w, c)
        states = states + self.read(_joined(looked @ values))
        query, keys, values = self._split(self.among(self.norms[1](states)), 3)
        hidden = torch.zeros_like(real, dtype=states.dtype).masked_fill(~real, -1e4)
        heard = self._attention(query, keys, hidden[:, None, None, :])
        states = states + self.mixed(_joined(heard @ values))
        return states + self.network(self.norms[2](states)), looked.mean(1)

    def _split(self, states: Tensor, count: int) -> list[Tensor]:
        """(n, t, count * width) -> count times (n, heads, t, width / heads)."""
        n, t, _ = states.shape
        return list(states.view(n, t, count, self.heads, -1).permute(2, 0, 3, 1, 4))

    def _attention(self, query: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        logits: Tensor = query @ keys.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias
        return logits.softmax(-1)


def _joined(read: Tensor) -> Tensor:
    """(n, heads, t, width / heads) -> (n, t, width)."""
    return read.transpose(1, 2).flatten(2)


class FusionModel(nn.Module):
    """The two pair functions together, as they are trained and shipped."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.late = LateInteraction(width)
        self.cross = CrossAttention(width, depth)

    def forward(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Judge n pairs by late interaction and by cross-attention: two of (n,)."""
        return self.late(words, real, cells), self.cross(words, real, cells)
