"""Any model of sentence-transformers (an optional extra): of texts and pictures, or of texts alone.

A name is fetched from a hub; the path of a folder that it saved, or that `save_pretrained` wrote of a CLIP,
needs no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL.Image import Image

from engine.checkpoints import local_folder, quiet, reason, stamp
from engine.errors import ModelUnavailable
from engine.types import Encoded

BATCH = 32


class SentenceEncoder:
    """One model by its name or path; it gives vectors and no tokens."""

    def __init__(self, reference: str, device: str, reads: Sequence[str] = ("text", "image")) -> None:
        """Raise `ModelUnavailable` for a model that cannot be had, or does not read what it should."""
        self.name = f"st:{reference}"
        self._model = _load(reference, device)
        lacking = [kind for kind in reads if not self._model.supports(kind)]
        if lacking:
            raise ModelUnavailable(
                f"{self.name} does not read {lacking[0]}s; an encoder reads texts and images, and one of "
                "texts alone can stand beside another: MODEL+st:NAME_OR_PATH"
            )
        self.text_limit = int(self._model.max_seq_length or self._model.tokenizer.model_max_length)
        self.dim = self._encode(["a"]).shape[1]
        self.stamp = stamp(self._model, repr(self._model))

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """Encode texts; see `Encoder`."""
        return Encoded(self._encode(texts))

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """Encode pictures; see `Encoder`."""
        return Encoded(self._encode(images))

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, uncut."""
        return len(self._model.tokenizer(text, truncation=False)["input_ids"])

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """Return no words: it has no tokens to explain by."""
        return []

    def _encode(self, inputs: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if not inputs:
            return np.empty((0, self.dim), np.float32)
        vectors = self._model.encode(
            list(inputs), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def _load(reference: str, device: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ModelUnavailable(
            "st: models need sentence-transformers; install it with: pip install 'crosslight[st]'"
        ) from None
    local_folder(reference)
    try:
        with quiet():
            return SentenceTransformer(reference, device=device)
    # Its readers raise many types; all mean that this model cannot be had.
    except Exception as error:
        raise ModelUnavailable(f"st:{reference} cannot be loaded: {reason(error)}") from error
