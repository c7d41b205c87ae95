"""A gallery's own reencoder: text vectors are moved toward the pictures that its captions are of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.reencoder import Reencoder
from training import own
from training.checkpoints import Resume
from training.gallery import Gallery, Ints

Recipe = own.Recipe


def teach(
    gallery: Gallery, recipe: Recipe, resume: Resume, progress: Callable[[int, int], None]
) -> Reencoder:
    """Train a new reencoder on a gallery; see `own.teach`."""
    torch.manual_seed(recipe.seed)
    reencoder = Reencoder(gallery.texts.shape[1], recipe.width)

    def sides(chosen: Ints, texts: Ints) -> tuple[Tensor, Tensor]:
        return gallery.pictures[chosen], reencoder(gallery.texts[texts])

    return own.teach(reencoder, sides, gallery, recipe, resume, progress)


def hold_back(reencoder: Reencoder, gallery: Gallery, queries: Ints) -> float:
    """Move texts only as far as serves those captions best, and tell the share of the way."""

    def recall() -> Tensor:
        moved: Tensor = reencoder(gallery.texts[queries])
        return moved @ gallery.pictures.T

    return own.best_share([reencoder.network[-1]], recall, gallery.owner[queries])
