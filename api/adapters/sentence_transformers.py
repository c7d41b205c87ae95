"""A model of Crosslight where a SentenceTransformer or a CrossEncoder is called; that package is not needed.

Texts are strings, pictures are PIL images. Vectors and scores are NumPy arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from PIL.Image import Image

from engine.judging import Meant, judged
from engine.models import DEFAULT, load_model
from engine.pictures import Picture
from engine.types import Floats

Input: TypeAlias = str | Image


class Encoder:
    """Has the methods of a SentenceTransformer that searching needs."""

    def __init__(self, model_name_or_path: str = DEFAULT, device: str | None = None) -> None:
        self.model = load_model(model_name_or_path, device)
        self.max_seq_length = self.model.encoder.text_limit
        self._lock = Lock()

    def encode(self, sentences: Input | Sequence[Input], batch_size: int = 32, **_: Any) -> Floats:
        """Return the unit vector (dim,) of one text or picture, or those (n, dim) of several.

        A text longer than `max_seq_length` tokens is cut. Further options of SentenceTransformer.encode are
        passed over: vectors are always NumPy's, and of unit length.
        """
        if isinstance(sentences, str | Image):
            alone: Floats = self.encode([sentences])[0]
            return alone
        vectors = np.empty((len(sentences), self.model.encoder.dim), dtype=np.float32)
        texts = [n for n, one in enumerate(sentences) if isinstance(one, str)]
        pictures = [n for n, one in enumerate(sentences) if isinstance(one, Image)]
        for start in range(0, len(texts), batch_size):
            some = texts[start : start + batch_size]
            with self._lock:
                made = self.model.encoder.encode_text([str(sentences[n]) for n in some])
            vectors[some] = made.vectors
        for start in range(0, len(pictures), batch_size):
            some = pictures[start : start + batch_size]
            images = [one.convert("RGB") for n in some if isinstance(one := sentences[n], Image)]
            with self._lock:
                made = self.model.encoder.encode_image(images)
            vectors[some] = made.vectors
        return vectors

    def similarity(self, embeddings1: Floats, embeddings2: Floats) -> Floats:
        """Return the cosines (n, m) of vectors with vectors."""
        cosines: Floats = np.atleast_2d(embeddings1) @ np.atleast_2d(embeddings2).T
        return cosines

    def get_sentence_embedding_dimension(self) -> int:
        """Return how many numbers a vector has."""
        return self.model.encoder.dim


class CrossEncoder:
    """Has the methods of a CrossEncoder: the model's reranker, which needs no vectors kept."""

    def __init__(self, model_name_or_path: str = DEFAULT, device: str | None = None) -> None:
        self.model = load_model(model_name_or_path, device)
        self._lock = Lock()

    def predict(self, sentences: Sequence[tuple[Input, Input]], **_: Any) -> Floats:
        """Score pairs (n,), higher is better; those of one query are on one scale.

        A pair that the reranker does not read, such as of two texts, is scored by its cosine.
        """
        scores = np.empty(len(sentences), dtype=np.float32)
        by_query: dict[int | str, list[int]] = {}
        for n, (query, _document) in enumerate(sentences):
            by_query.setdefault(query if isinstance(query, str) else id(query), []).append(n)
        for places in by_query.values():
            scores[places] = self._scores(sentences[places[0]][0], [sentences[n][1] for n in places])
        return scores

    def rank(
        self,
        query: Input,
        documents: Sequence[Input],
        top_k: int | None = None,
        return_documents: bool = False,
        **_: Any,
    ) -> list[dict[str, Any]]:
        """Order documents, best first: each with its place (`corpus_id`), score, and itself if wanted."""
        scores = self._scores(query, documents)
        order = np.argsort(-scores, kind="stable")[:top_k].tolist()
        ranked: list[dict[str, Any]] = [{"corpus_id": n, "score": float(scores[n])} for n in order]
        if return_documents:
            for one in ranked:
                one["text"] = documents[one["corpus_id"]]
        return ranked

    def _scores(self, query: Input, documents: Sequence[Input]) -> Floats:
        with self._lock:
            return judged(_meant(query), [_meant(one) for one in documents], self.model).scores


def _meant(given: Input) -> Meant:
    if isinstance(given, str):
        return "text", given
    image = given.convert("RGB")
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    return "image", Picture(image, digest, image.width, image.height, given.format or "RGB")
