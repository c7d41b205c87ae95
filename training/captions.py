"""Captions without pictures: two of one picture mean the same, those of two pictures mostly do not.

Thirty times as many captions as there are photographs to look at keep the words from being learned
by heart (the caption contrast of LLM2CLIP, arXiv 2411.04997, here beside the picture contrast).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.encoders.mini_shape import WordPieces
from engine.encoders.mini_towers import TextTower


def read_groups(data: Path) -> list[list[str]]:
    """List the captions of each picture that has several, from the gzipped JSON lines below a directory."""
    found: list[list[str]] = []
    for path in sorted(data.rglob("*captions.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            groups = (json.loads(line)["captions"] for line in lines)
            found += [group for group in groups if len(group) > 1]
    if not found:
        raise FileNotFoundError(f"no *captions.jsonl.gz below {data}")
    return found


class CaptionPairs:
    """Draws pairs of captions of one picture from the gzipped JSON lines below a data directory.

    `digest` names the captions.
    """

    def __init__(self, data: Path, tower: TextTower, pieces: WordPieces) -> None:
        self._tower = tower
        self._pieces = pieces
        self._groups = read_groups(data)
        self.digest = hashlib.sha256(json.dumps(self._groups).encode()).hexdigest()

    def draw(self, count: int, rng: np.random.Generator) -> list[str]:
        """Draw one caption of each of some pictures."""
        places = rng.permutation(len(self._groups))[:count]
        return [str(rng.choice(self._groups[place])) for place in places]

    def batch(self, count: int, limit: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Run the frozen text layers over 2 * count captions, the second half pairing the first.

        Gives hidden states (2 * count, t, TEXT_WIDTH) and `real` (2 * count, t), t at most `limit`.
        """
        first, second = [], []
        for place in rng.integers(len(self._groups), size=count):
            group = self._groups[place]
            one, other = rng.choice(len(group), size=2, replace=False)
            first.append(group[one])
            second.append(group[other])
        ids, real = map(torch.from_numpy, self._pieces.encode([*first, *second]))
        ids, real = ids[:, :limit], real[:, :limit]
        with torch.no_grad():
            return self._tower.start(ids, real), real
