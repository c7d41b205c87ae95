"""Judge: words and cells read each other through layers, then the pair as a whole is judged."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.fusion.layers import Layer, fits_of

HEADS = 4


class Judge(nn.Module):
    """What the families share: how tokens enter, and how the verdict is made; the layers differ.

    A word enters as itself times what it fits best, dimension by dimension: a pair is judged by
    how its parts fit, not by what they are (as in SGRAF, arXiv 2101.01368). Attention between words
    and cells starts as the fit of the tokens, times a learned sharpness, so it never has to find
    the alignment. The verdict starts at 0: what recall and late interaction say is then all there is.
    """

    def __init__(self, dim: int, depth: int, layer: type[Layer], width: int) -> None:
        super().__init__()
        self.word = nn.Linear(dim, width)
        self.match = nn.Linear(dim, width)
        self.cell = nn.Linear(dim, width) if layer.moves_cells else None
        self.layers = nn.ModuleList(layer(dim, width, HEADS) for _ in range(depth))
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
        return self._verdict(states, weights, real)

    def explained(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge, and say where each word looks (n, w, c), over all layers and heads, and its share (n, w)."""
        states, weights, maps = self._read(words, real, cells)
        return self._verdict(states, weights, real), torch.stack(maps).mean(0), weights * real

    def states(self, words: Tensor, real: Tensor, cells: Tensor) -> Tensor:
        """Return what each word has become by reading the cells (n, w, width)."""
        return self._read(words, real, cells)[0]

    def _verdict(self, states: Tensor, weights: Tensor, real: Tensor) -> Tensor:
        verdict: Tensor = self.verdict((states * weights[..., None]).sum(1))[:, 0]
        return verdict * real.any(-1)

    def _read(self, words: Tensor, real: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Let the words read: their states (n, w, width), their weights (n, w), and each attention."""
        fits = fits_of(words, cells)  # (n, w, c)
        maps = [(10 * fits).softmax(-1)]
        states = self.word(words) + self.match(words * (maps[0] @ cells) * words.shape[-1])
        seen = cells if self.cell is None else self.cell(cells).expand(fits.shape[0], -1, -1)
        for layer in self.layers:
            states, seen, looked = layer(states, real, seen, fits)
            maps.append(looked)
        weights = self.weight(states)[..., 0].masked_fill(~real, -1e4).softmax(-1)
        return states, weights, maps
