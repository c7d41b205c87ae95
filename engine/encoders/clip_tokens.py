"""Tokens of an open_clip model, out of the pass that makes its vectors.

A hook keeps what the last block gives; the tower's own final norm and projection take each position
to the joint space (for a ResNet, value and output of its attention pooling, as in MaskCLIP, arXiv
2112.01071). A grid finer than SIDE is pooled to it. The joint space is cut to its TOKEN_DIM widest
directions, judged by the two projections, so the same tokens come out of the same weights anywhere.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

RECIPE = "tokens 1"  # part of the stamp: change it when other tokens come out of the same weights
SIDE = 9  # SIDE * SIDE cells and LONGEST words of TOKEN_DIM bytes stay below 12 KB
LONGEST = 96
TOKEN_DIM = 128


class ClipTokens:
    """Reads the tokens of what a model has just encoded; see `has_tokens`."""

    def __init__(self, model: Any, tokenizer: SimpleTokenizer) -> None:
        text = getattr(model, "text", model)
        self._tokenizer = tokenizer
        self._visual = model.visual
        self._text_projection = _matrix(text.text_projection)
        self._kept: dict[str, Tensor] = {}
        if isinstance(self._visual, ModifiedResNet):
            self._visual.attnpool.register_forward_pre_hook(
                lambda _module, inputs: self._keep("cells", inputs[0].flatten(2).transpose(1, 2))
            )
        else:  # what comes first is the class token
            self._visual.transformer.register_forward_hook(
                lambda _module, _inputs, states: self._keep("cells", states[:, 1:])
            )
        text.ln_final.register_forward_hook(lambda _module, _inputs, states: self._keep("words", states))
        self._basis = widest(_visual_projection(self._visual), self._text_projection)
        self._basis = self._basis.to(self._text_projection.device)

    def _keep(self, name: str, states: Tensor) -> None:
        self._kept[name] = states

    def pictures(self) -> tuple[Tensor, Tensor]:
        """Give the tokens (n, cells, TOKEN_DIM) of the pictures just encoded, and their counts (n,)."""
        states = self._kept.pop("cells")
        if isinstance(self._visual, ModifiedResNet):
            projected = self._visual.attnpool.c_proj(self._visual.attnpool.v_proj(states))
        else:
            projected = self._visual.ln_post(states) @ self._visual.proj
        side = isqrt(projected.shape[1])
        if side > SIDE:
            grid = projected.transpose(1, 2).unflatten(2, (side, side))
            projected = F.adaptive_avg_pool2d(grid, SIDE).flatten(2).transpose(1, 2)
        tokens = self._cut(projected)
        return tokens, torch.full((len(tokens),), tokens.shape[1])

    def texts(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Give the tokens (n, t, TOKEN_DIM) of the texts just encoded, less their ends, and counts (n,)."""
        states = self._kept.pop("words")
        lengths = (ids == self._tokenizer.eot_token_id).int().argmax(1) - 1  # those between the two ends
        tokens = self._cut(states[:, 1:-1][:, :LONGEST] @ self._text_projection)
        lengths = lengths.clamp(max=tokens.shape[1])
        real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        return tokens * real[..., None], lengths

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """List the words of a text with the tokens each covers: (word, start, stop)."""
        spans: list[tuple[str, int, int]] = []
        letters, start = "", 0
        for place, token in enumerate(self._tokenizer.encode(text)[:LONGEST]):
            piece = self._tokenizer.decoder[token]
            letters += piece.removesuffix("</w>")
            if piece.endswith("</w>"):
                word = bytes(self._tokenizer.byte_decoder[letter] for letter in letters)
                spans.append((word.decode("utf-8", "replace"), start, place + 1))
                letters, start = "", place + 1
        return spans

    def _cut(self, projected: Tensor) -> Tensor:
        return F.normalize(projected.float() @ self._basis, dim=-1)


def has_tokens(model: Any, tokenizer: Any) -> bool:
    """Tell whether both towers are of the kinds that this file reads.

    Not those of timm or transformers: before their pooling, positions are not in the joint space.
    """
    text, visual = getattr(model, "text", model), model.visual
    reads = isinstance(tokenizer, SimpleTokenizer) and getattr(text, "cls_emb", None) is None
    named = all(getattr(text, name, None) is not None for name in ("ln_final", "text_projection"))
    if isinstance(visual, ModifiedResNet):
        return reads and named
    plain = isinstance(visual, VisionTransformer) and visual.attn_pool is None and visual.proj is not None
    return reads and named and plain and visual.grid_size[0] == visual.grid_size[1]


def widest(*projections: Tensor) -> Tensor:
    """Find the directions (dim, TOKEN_DIM or fewer) of the joint space in which positions differ most.

    In double precision on the processor, signs fixed: stored tokens and those of a later query meet.
    """
    spread = sum((p.T @ p / p.pow(2).sum() for p in (q.double().cpu() for q in projections)), torch.zeros(()))
    directions: Tensor = torch.linalg.eigh(spread)[1].flip(1)[:, :TOKEN_DIM]
    strongest = directions.abs().argmax(0)
    signs = directions[strongest, torch.arange(directions.shape[1])].sign()
    return (directions * signs).float()


def _visual_projection(visual: Any) -> Tensor:
    """Map a position of unit variance to the joint space: (width, dim)."""
    if isinstance(visual, ModifiedResNet):
        return _matrix(visual.attnpool.v_proj) @ _matrix(visual.attnpool.c_proj)
    gain: Tensor = visual.ln_post.weight.detach()
    return gain[:, None] * _matrix(visual.proj)


def _matrix(projection: nn.Linear | Tensor) -> Tensor:
    return (projection.weight.T if isinstance(projection, nn.Linear) else projection).detach()
