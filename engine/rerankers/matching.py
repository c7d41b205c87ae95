"""Image-text matching models of transformers as rerankers: BLIP's matching head, and ViLT's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import torch
from PIL.Image import Image
from torch import Tensor

from engine.checkpoints import Loaded, fitting, load
from engine.rerankers.pictures import PictureReranker
from engine.types import Floats

TASK = "matching a text with a picture"
Odds: TypeAlias = Callable[[Loaded, Mapping[str, Tensor]], Tensor]


def load_matcher(reference: str, device: str) -> PictureReranker:
    """Load a saved model, or one of a hub; raises `ModelUnavailable` for one of another class."""
    loaded = load(reference, fitting(reference, TASK, ODDS.keys()), device)
    return PictureReranker(f"hf:{reference}", partial(match, loaded))


def match(loaded: Loaded, text: str, images: Sequence[Image]) -> Floats:
    """Return the log-odds (n,) float32 that a text fits each picture; it is cut to what the model reads."""
    positions = getattr(loaded.model.config, "text_config", loaded.model.config).max_position_embeddings
    inputs = loaded.processor(
        images=list(images),
        text=[text] * len(images),
        padding=True,
        truncation=True,
        max_length=min(positions, loaded.processor.tokenizer.model_max_length),
        return_tensors="pt",
    ).to(loaded.device)
    with torch.inference_mode():
        odds: Floats = ODDS[loaded.architecture](loaded, inputs).float().cpu().numpy()
    return odds


def _blip(loaded: Loaded, inputs: Mapping[str, Tensor]) -> Tensor:
    scores: Tensor = loaded.model(**inputs).itm_score  # (n, 2): no match, match
    return scores[:, 1] - scores[:, 0]


def _vilt(loaded: Loaded, inputs: Mapping[str, Tensor]) -> Tensor:
    logits: Tensor = loaded.model(**inputs).logits  # (n, 1)
    return logits[:, 0]


ODDS: Mapping[str, Odds] = {"BlipForImageTextRetrieval": _blip, "ViltForImageAndTextRetrieval": _vilt}
