"""The reader: a question's words look at a picture's tokens by cross-attention, and an answer is chosen.

Attention starts at the cells that look like the words of the question, times a learned sharpness, as in
mini's judge, so that it never has to find the alignment. Every answer gets a logit from
what was read, and from how much the picture calls for the word itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.telling.packing import READER, unpack
from engine.telling.words import LOOK, MEANING

CELLS = 81


class Reader(nn.Module):
    """One layer of cross-attention of WIDTH, and a network over what it read."""

    def __init__(self, answers: int, width: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(CELLS, LOOK))
        self.weight = nn.Linear(MEANING, 1)  # how much a word of the question counts
        self.asked = nn.Linear(MEANING, width)
        self.query = nn.Linear(MEANING, LOOK)
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        self.match = nn.Linear(LOOK, width)
        self.mean = nn.Linear(LOOK, width)
        self.drop = nn.Dropout(dropout)
        self.network = nn.Sequential(
            nn.LayerNorm(4 * width + 2), nn.Linear(4 * width + 2, 2 * width), nn.GELU(), nn.Dropout(dropout)
        )
        self.answer = nn.Linear(2 * width, answers)
        self.trust = nn.Parameter(torch.full((answers,), 0.3))
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)

    def forward(
        self, meanings: Tensor, looks: Tensor, calls: Tensor, real: Tensor, cells: Tensor, answers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the logit of each answer (n, a), and where the question looked (n, 81), adding up to 1.

        `meanings` (n, t, 384), `looks` (n, t, 128), `calls` (n, t) and `real` (n, t) bool are of the words of
        n questions, `cells` (n, 81, 128) of their pictures; `answers` (n, a) is how much these call for each.
        """
        counts = self.weight(meanings)[..., 0].masked_fill(~real, -1e4).softmax(1)  # (n, t)
        question = (meanings * counts[..., None]).sum(1)
        placed = cells + self.place
        fits = ((looks * counts[..., None]).sum(1)[:, None] @ cells.transpose(1, 2))[:, 0]
        wanted = (self.query(question)[:, None] @ placed.transpose(1, 2))[:, 0]
        looked = (self.sharpness * fits + wanted).softmax(-1)  # (n, 81)
        read = self.match((looked[:, None] @ placed)[:, 0])
        said = self.asked(question)
        signs = torch.stack([(calls * counts).sum(1), fits.amax(1)], 1)
        features = torch.cat([read, said, read * said, self.mean(cells.mean(1)), signs], 1)
        return self.answer(self.network(self.drop(features))) + self.trust * answers, looked


def load_reader(folder: Path, answers: int) -> Reader:
    """Read what `training/telling.py` wrote."""
    reader = Reader(answers)
    with np.load(folder / READER) as arrays:
        weights = {name: torch.from_numpy(array) for name, array in unpack(arrays).items()}
    reader.load_state_dict(weights)
    return reader.eval()
