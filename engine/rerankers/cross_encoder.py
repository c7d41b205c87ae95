"""Multimodal cross-encoders of sentence-transformers as rerankers, such as those made of Qwen's models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image
from torch import nn

from engine.checkpoints import local_folder, quiet, reason
from engine.errors import ModelUnavailable
from engine.rerankers.pictures import BATCH, PictureReranker
from engine.types import Floats


def load_cross_encoder(reference: str, device: str) -> PictureReranker:
    """Load a cross-encoder by its path or its name on a hub.

    Raises `ModelUnavailable` where the extra is not installed, and for one that reads no pictures, or gives
    another thing than one score a pair.
    """
    model = _load(reference, device)
    if not (model.supports("image") and model.supports("text")):
        read = ", ".join(str(modality) for modality in model.modalities)
        raise ModelUnavailable(f"st:{reference} reads {read}; a reranker of pictures reads text and image")
    if model.num_labels != 1:
        raise ModelUnavailable(f"st:{reference} gives {model.num_labels} scores a pair; a reranker gives one")

    def match(text: str, images: Sequence[Image]) -> Floats:
        pairs = [(text, image) for image in images]
        scores: Floats = model.predict(
            pairs, activation_fn=nn.Identity(), batch_size=BATCH, show_progress_bar=False
        )
        return scores

    return PictureReranker(f"st:{reference}", match)


def _load(reference: str, device: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder
    except ImportError:
        raise ModelUnavailable(
            "cross-encoders need sentence-transformers; install it with: pip install 'crosslight[st]'"
        ) from None
    local_folder(reference)
    try:
        with quiet():
            return CrossEncoder(reference, device=device)
    # Its readers raise many types; all mean that this model cannot be had.
    except Exception as error:
        raise ModelUnavailable(
            f"st:{reference} cannot be loaded as a cross-encoder: {reason(error)}"
        ) from error
