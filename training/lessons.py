"""Further lessons of the fusion model, beside the contrast: multi-task training.

- soft: a share of the target goes to captions that mean about the same, by the text vectors (knowledge
  distillation of the language model, arXiv 1503.02531);
- matching: yes or no, for each caption's own picture and for one that was likely taken for it (ALBEF,
  arXiv 2107.07651);
- words: one word in seven is hidden, and is told from the others and the picture (BERT's masked words,
  arXiv 1810.04805, as VisualBERT has them, arXiv 1908.03557): its token, among all of the batch.

What only these lessons need, a head for words and an offset, is trained beside the model and thrown away.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.fusion import FusionModel
from training.heads import soft_targets

SOFT, MATCHING, WORDS = "soft", "matching", "words"
LESSONS = (SOFT, MATCHING, WORDS)
SOFT_SHARE = 0.2
WEIGHT = 0.5  # of matching and of words, beside 1 of the contrast
HIDDEN = 1 / 7  # of the words
NEAR = 0.05  # how near words have to be to mean the same
SHARPNESS = 10.0  # of what is told


class Lessons(nn.Module):
    """The lessons of `chosen` names, and what they learn beside the fusion model."""

    def __init__(self, chosen: tuple[str, ...], fusion: FusionModel) -> None:
        super().__init__()
        self.chosen = chosen
        shape = fusion.shape
        self.word = nn.Linear(shape.width or shape.dim, shape.dim)
        self.offset = nn.Parameter(torch.tensor(0.0))

    def target(self, texts: Tensor) -> Tensor:
        """Say how much each of the unit texts (n, dim) belongs to each picture: (n, n)."""
        if SOFT not in self.chosen:
            return torch.eye(len(texts))
        return soft_targets(torch.arange(len(texts)), texts, SOFT_SHARE)

    def loss(self, fusion: FusionModel, logits: Tensor, words: Tensor, real: Tensor, cells: Tensor) -> Tensor:
        """Add up the lessons but the soft one, which is a target of the contrast.

        `logits` (texts, pictures) of a batch, of which text i belongs to picture i; the words (n, t, dim) of
        which `real` (n, t) are there, and the cells (n, c, dim).
        """
        found = torch.zeros(())
        if MATCHING in self.chosen:
            found = found + WEIGHT * self._matching(logits)
        if WORDS in self.chosen:
            found = found + WEIGHT * self._words(fusion, words, real, cells)
        return found

    def _matching(self, logits: Tensor) -> Tensor:
        own = torch.eye(len(logits), dtype=torch.bool)
        likely = logits.detach().masked_fill(own, -torch.inf).softmax(1)
        taken = logits.gather(1, torch.multinomial(likely, 1))[:, 0]
        asked = torch.cat([logits.diagonal(), taken]) + self.offset
        answers = torch.cat([torch.ones(len(logits)), torch.zeros(len(logits))])
        return F.binary_cross_entropy_with_logits(asked, answers)

    def _words(self, fusion: FusionModel, words: Tensor, real: Tensor, cells: Tensor) -> Tensor:
        hidden = real & (torch.rand(real.shape) < HIDDEN)
        if not hidden.any():
            return torch.zeros(())
        states = fusion.cross.states(words * ~hidden[..., None], real, cells)
        told = F.normalize(self.word(states[hidden]).float(), dim=-1)
        there = words[real].float()
        right = (words[hidden].float() @ there.T / NEAR).softmax(1)
        return -(right * (SHARPNESS * told @ there.T).log_softmax(1)).sum(1).mean()
