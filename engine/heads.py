"""Heads: a gallery's own maps of pictures and of words, over a model's vectors and tokens.

Each side keeps its vector and adds to it what a small network makes of the vector and of its tokens, these
pooled by attention (as in CLIP's attention pooling, arXiv 2103.00020, with learned queries; the residual is
that of CLIP-Adapter, arXiv 2110.04544). Unlike a reencoder they move pictures too, each by what it
shows, so they make a model of their own, and a gallery comes to it by migration.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional as F

from engine.encoders import Encoder
from engine.types import Encoded

QUERIES = 4  # of the attention pooling
BATCH = 256  # inputs at a time


class OwnHead(nn.Module):
    """One side's head; it starts as no change at all. Where `token_dim` is 0 there are no tokens."""

    def __init__(self, dim: int, token_dim: int, width: int) -> None:
        super().__init__()
        self.scores = nn.Linear(token_dim, QUERIES) if token_dim else None
        self.network = nn.Sequential(
            nn.Linear(dim + QUERIES * token_dim, width), nn.GELU(), nn.Linear(width, dim)
        )
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, vectors: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Map unit vectors (n, dim) to unit vectors.

        Of the int8 tokens (n, t, token_dim) the first `lengths` (n,) of each are real.
        """
        known = vectors
        if self.scores is not None:
            unit = tokens.float() / 127
            real = torch.arange(unit.shape[1], device=unit.device) < lengths[:, None]
            scores = self.scores(unit).masked_fill(~real[..., None], -1e4)  # (n, t, QUERIES)
            pooled = scores.softmax(1).transpose(1, 2) @ (unit * real[..., None])
            known = torch.cat([vectors, pooled.flatten(1)], 1)
        return F.normalize(vectors + self.network(known), dim=-1)

    def apply_to(self, encoded: Encoded) -> Encoded:
        """Do the same to what a model encoded; tokens stay as they are."""
        if not len(encoded):
            return encoded
        device = next(self.parameters()).device
        tokens, lengths = torch.empty(len(encoded), 0, 0), torch.zeros(len(encoded), dtype=torch.int64)
        if self.scores is not None:
            assert encoded.tokens is not None and encoded.lengths is not None
            tokens, lengths = torch.from_numpy(encoded.tokens), torch.from_numpy(encoded.lengths)
        sides = (torch.from_numpy(encoded.vectors), tokens, lengths)
        batches = zip(*(torch.split(side, BATCH) for side in sides), strict=True)
        with torch.inference_mode():
            moved = torch.cat([self(*(part.to(device) for part in parts)).cpu() for parts in batches])
        return Encoded(moved.numpy(), encoded.tokens, encoded.lengths)


class Heads(nn.Module):
    """Both sides' heads."""

    def __init__(self, dim: int, token_dim: int, width: int) -> None:
        super().__init__()
        self.shape = {"dim": dim, "token_dim": token_dim, "width": width}
        self.image = OwnHead(dim, token_dim, width)
        self.text = OwnHead(dim, token_dim, width)


class HeadedEncoder:
    """An encoder under heads of a gallery's own; the tokens are the encoder's."""

    def __init__(self, encoder: Encoder, heads: Heads, stamp: str) -> None:
        self.name, self.dim, self.text_limit = encoder.name, encoder.dim, encoder.text_limit
        self.stamp = stamp
        self._encoder, self._heads = encoder, heads.eval()

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """See `Encoder`."""
        return self._heads.text.apply_to(self._encoder.encode_text(texts))

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """See `Encoder`."""
        return self._heads.image.apply_to(self._encoder.encode_image(images))

    def count_tokens(self, text: str) -> int:
        """See `Encoder`."""
        return self._encoder.count_tokens(text)

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """See `Encoder`."""
        return self._encoder.word_spans(text)
