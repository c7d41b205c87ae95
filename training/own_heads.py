"""A gallery's own heads: both sides' vectors are moved toward each other, by what the tokens show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.heads import BATCH, Heads, OwnHead
from training import own
from training.checkpoints import Resume
from training.gallery import Gallery, Ints


@dataclass(frozen=True)
class Recipe(own.Recipe):
    """Tokens take memory, so batches are smaller."""

    batch: int = 256


def teach(gallery: Gallery, recipe: Recipe, resume: Resume, progress: Callable[[int, int], None]) -> Heads:
    """Train new heads on a gallery; see `own.teach`."""
    torch.manual_seed(recipe.seed)
    token_dim = gallery.cells.shape[2] if gallery.words.numel() else 0
    heads = Heads(gallery.texts.shape[1], token_dim, recipe.width)

    def sides(chosen: Ints, texts: Ints) -> tuple[Tensor, Tensor]:
        return _pictures(heads.image, gallery, chosen), _texts(heads.text, gallery, texts)

    return own.teach(heads, sides, gallery, recipe, resume, progress)


@torch.inference_mode()
def moved(heads: Heads, gallery: Gallery) -> Gallery:
    """Return a gallery with the vectors that the heads make of it."""
    pictures = [_pictures(heads.image, gallery, some) for some in _some(len(gallery.pictures))]
    texts = [_texts(heads.text, gallery, some) for some in _some(len(gallery.texts))]
    return replace(gallery, pictures=torch.cat(pictures), texts=torch.cat(texts))


def hold_back(heads: Heads, gallery: Gallery, queries: Ints) -> float:
    """Move both sides only as far as serves those captions best, and tell the share of the way."""

    def recall() -> Tensor:
        there = moved(heads, gallery)
        return there.texts[queries] @ there.pictures.T

    return own.best_share([heads.image.network[-1], heads.text.network[-1]], recall, gallery.owner[queries])


def _pictures(head: OwnHead, gallery: Gallery, chosen: Ints) -> Tensor:
    cells = gallery.cells[chosen]
    moved: Tensor = head(gallery.pictures[chosen], cells, torch.full((len(chosen),), cells.shape[1]))
    return moved


def _texts(head: OwnHead, gallery: Gallery, chosen: Ints) -> Tensor:
    moved: Tensor = head(gallery.texts[chosen], gallery.words[chosen], gallery.lengths[chosen])
    return moved


def _some(count: int) -> list[Ints]:
    return np.array_split(np.arange(count), math.ceil(count / BATCH))
