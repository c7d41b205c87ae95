"""Any open_clip model as an encoder.

Preprocessing, tokenizer and context length are open_clip's own. A pretrained tag is fetched by
open_clip from its hub; `NAME@/path/to/checkpoint` needs no network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import open_clip
import torch
from PIL.Image import Image

from engine.checkpoints import stamp
from engine.encoders.clip_tokens import RECIPE, ClipTokens, has_tokens
from engine.errors import ModelUnavailable
from engine.types import Encoded

BATCH = 32
T = TypeVar("T")


class ClipEncoder:
    """One open_clip model, by `NAME/TAG` or `NAME@CHECKPOINT`."""

    def __init__(self, reference: str, device: str) -> None:
        self.name = f"open_clip:{reference}"
        architecture, weights = _split(reference)
        self._device = device
        self._model, self._preprocess = _load(architecture, weights, device)
        self._tokenizer = open_clip.get_tokenizer(architecture)
        self.text_limit = int(self._model.context_length)
        with torch.inference_mode():
            self.dim = int(self._model.encode_text(self._tokenize(["a"])).shape[1])
        self._tokens: ClipTokens | None = None
        if has_tokens(self._model, self._tokenizer):
            self._tokens = ClipTokens(self._model, self._tokenizer)
        self.stamp = stamp(self._model, repr(self._preprocess), RECIPE if self._tokens else "")

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """Encode texts; a token is one of the tokenizer's, without those that mark the ends."""
        return self._encode(texts, self._encode_texts)

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """Encode pictures; the grid of tokens covers what the preprocessing shows the model, row by row."""
        return self._encode(images, self._encode_images)

    def count_tokens(self, text: str) -> int:
        if hasattr(self._tokenizer, "encode"):
            return len(self._tokenizer.encode(text)) + 2  # open_clip adds a start and an end token
        return len(self._tokenizer.tokenizer(text)["input_ids"])

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """List the words of a text, each with the tokens it covers: (word, start, stop)."""
        return self._tokens.word_spans(text) if self._tokens else []

    def _encode_texts(self, texts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        ids = self._tokenize(texts)
        vectors = self._model.encode_text(ids, normalize=True)
        return (vectors, *self._tokens.texts(ids)) if self._tokens else (vectors,)

    def _encode_images(self, images: Sequence[Image]) -> tuple[torch.Tensor, ...]:
        pixels = torch.stack([self._preprocess(image) for image in images]).to(self._device)
        vectors = self._model.encode_image(pixels, normalize=True)
        return (vectors, *self._tokens.pictures()) if self._tokens else (vectors,)

    def _tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        return self._tokenizer(list(texts)).to(self._device)  # type: ignore[no-any-return]

    def _encode(
        self, inputs: Sequence[T], encode: Callable[[Sequence[T]], tuple[torch.Tensor, ...]]
    ) -> Encoded:
        if not inputs:
            return Encoded(np.empty((0, self.dim), np.float32))
        with torch.inference_mode():
            batches = [encode(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)]
        vectors, *rest = (torch.cat(part).cpu() for part in zip(*batches, strict=True))
        if not rest:
            return Encoded(vectors.float().numpy())
        tokens, lengths = rest
        quantized = (tokens * 127).round().to(torch.int8).numpy()
        return Encoded(vectors.float().numpy(), quantized, lengths.to(torch.int16).numpy())


def fetch(reference: str, progress: Callable[[str], None]) -> Path:
    """Fetch a tag's weights into the hub's cache (a checkpoint is there already) and return the file."""
    architecture, weights = _split(reference)
    if Path(weights).is_file():
        return Path(weights)
    progress(f"fetching {architecture}/{weights}")
    try:
        config = open_clip.get_pretrained_cfg(architecture, weights)
        return Path(open_clip.download_pretrained(config))
    except Exception as error:
        raise _unavailable(architecture, weights, error) from error


def _split(reference: str) -> tuple[str, str]:
    for mark in "@/":
        architecture, found, weights = reference.partition(mark)
        if found and weights:
            break
    else:
        raise ModelUnavailable(
            f"open_clip:{reference} names no weights; write open_clip:NAME/TAG or open_clip:NAME@CHECKPOINT"
        )
    if mark == "@" and not Path(weights).is_file():
        raise ModelUnavailable(f"there is no checkpoint at {weights}")
    if architecture not in open_clip.list_models():
        raise ModelUnavailable(f"open_clip has no model {architecture!r}; see open_clip.list_models()")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if mark == "/" and weights not in tags:
        raise ModelUnavailable(f"open_clip has no weights {weights!r} for {architecture}; it has {tags}")
    return architecture, weights


def _load(architecture: str, weights: str, device: str) -> tuple[Any, Any]:
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(
            architecture, pretrained=weights, device=device
        )
    # Hub clients and checkpoint readers raise many types; all mean that these weights cannot be had.
    except Exception as error:
        raise _unavailable(architecture, weights, error) from error
    return model.eval(), preprocess


def _unavailable(architecture: str, weights: str, error: Exception) -> ModelUnavailable:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ModelUnavailable(
        f"cannot load the weights {weights!r} of {architecture}: {reason}; where no hub can be reached, "
        f"use open_clip:{architecture}@/path/to/checkpoint"
    )
