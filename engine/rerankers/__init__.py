"""Rerankers by name or path: models that read a text and a picture together, and say how well the two match.

hf:NAME_OR_PATH     BLIP's matching head or ViLT's, by transformers
st:NAME_OR_PATH     a cross-encoder that takes pictures, by sentence-transformers (an optional extra)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.checkpoints import local_folder
from engine.errors import ModelUnavailable
from engine.rerank import Reranker


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table: `load` takes what follows the colon of the key, and a device."""

    description: str
    load: Callable[[str, str], Reranker]


def check_reranker(key: str) -> None:
    """Raise `ModelUnavailable` for a key that is none, or whose path leads nowhere; loads nothing."""
    _, reference = _family(key)
    local_folder(reference)


def load_reranker(key: str, device: str) -> Reranker:
    """Load a reranker by its key; raises `ModelUnavailable` where it cannot be had, or is no reranker."""
    family, reference = _family(key)
    return family.load(reference, device)


def _family(key: str) -> tuple[Family, str]:
    name, _, reference = key.partition(":")
    if name not in FAMILIES or not reference:
        known = ", ".join(f"{name}:NAME_OR_PATH" for name in FAMILIES)
        raise ModelUnavailable(f"no reranker {key!r}; there are {known}")
    return FAMILIES[name], reference


def _load_transformers(reference: str, device: str) -> Reranker:
    from engine.rerankers.matching import load_matcher

    return load_matcher(reference, device)


def _load_sentence_transformers(reference: str, device: str) -> Reranker:
    from engine.rerankers.cross_encoder import load_cross_encoder

    return load_cross_encoder(reference, device)


FAMILIES: Mapping[str, Family] = {
    "hf": Family("an image-text matching model of transformers (BLIP, ViLT)", _load_transformers),
    "st": Family("a multimodal cross-encoder of sentence-transformers", _load_sentence_transformers),
}
