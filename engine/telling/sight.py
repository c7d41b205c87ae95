"""What words a picture calls for: a detector for each word of the vocabulary, over mini's tokens.

Word detectors of this kind come from Fang et al., From Captions to Visual Concepts and Back (arXiv
1411.4952);
here they are one linear layer over the picture's mean token, and over how well the word's own token fits
the best cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.telling.packing import pack, unpack
from engine.types import Floats


@dataclass(frozen=True, slots=True)
class Seen:
    """What the detectors read of p pictures: pooled tokens (p, 256), and the best fit of each word (p, n)."""

    pooled: Floats
    best: Floats


@dataclass(frozen=True, slots=True)
class Sight:
    """The detectors of n words.

    `looks` (n, 128) are what the words look like; `mean` and `spread` (n,) of their fits over pictures;
    `weights` (256, n), `trust` and `bias` (n,) make a logit of a picture's pooled tokens and of a word's fit;
    `usual` (n,) is the share of captions that have the word.
    """

    looks: Floats
    mean: Floats
    spread: Floats
    weights: Floats
    trust: Floats
    bias: Floats
    usual: Floats

    @classmethod
    def read(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Sight:
        """Read what `kept` wrote."""
        return cls(**unpack(arrays))

    def kept(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays to keep."""
        return pack({name: getattr(self, name) for name in self.__dataclass_fields__})

    def see(self, cells: Floats) -> Floats:
        """Return the chance of each word in a caption of the pictures: (p, 81, 128) to (p, n)."""
        return self.judge(Seen(pooled(cells), fits(self.looks, cells)))

    def judge(self, seen: Seen) -> Floats:
        """Return the chance of each word, of pictures that were looked at before."""
        fit = (seen.best - self.mean) / self.spread
        logits = seen.pooled @ self.weights + self.trust * fit + self.bias
        chances: Floats = (0.5 + 0.5 * np.tanh(logits / 2)).astype(np.float32)  # a logistic, never too large
        return chances

    def calls(self, chances: Floats) -> Floats:
        """Tell by what factor the pictures make each word likelier than it usually is, as logarithms."""
        factors: Floats = np.log(np.maximum(chances, 1e-5)) - np.log(np.maximum(self.usual, 1e-5))
        return factors


def fits(looks: Floats, cells: Floats) -> Floats:
    """Tell how well words (w, 128) fit the best cell of pictures (p, 81, 128): (p, w)."""
    best: Floats = np.stack([(picture @ looks.T).max(0) for picture in cells])
    return best


def pooled(cells: Floats) -> Floats:
    """Pool tokens to one row a picture, means and maxima: (p, 81, 128) to (p, 256)."""
    rows: Floats = np.concatenate([4 * cells.mean(1), 2 * cells.max(1) - 0.5], 1)
    return rows


def unit(tokens: Sequence[npt.NDArray[np.int8]] | npt.NDArray[np.int8]) -> Floats:
    """Turn stored tokens (p, 81, 128) int8 into what is read here."""
    whole: Floats = np.asarray(tokens, dtype=np.float32) / np.float32(127)
    return whole
