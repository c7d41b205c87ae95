"""Captions by models of transformers: BLIP (arXiv 2201.12086) and GIT (arXiv 2205.14100), by beam search."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image

from engine.checkpoints import Loaded
from engine.telling import Caption

CAPTIONERS = ("BlipForConditionalGeneration", "GitForCausalLM")
BEAMS = 3
MAX_CAPTION = 40  # tokens
ENDS = 2  # tokens that mark where a caption starts and ends
BATCH = 8  # pictures at a time


class TransformersCaptioner:
    """Writes captions with one model."""

    def __init__(self, name: str, loaded: Loaded) -> None:
        self.name = name
        self._loaded = loaded

    def caption(self, pictures: Sequence[Image], *, count: int = 1) -> list[list[Caption]]:
        """Write up to `count` captions of each picture; see `Captioner`."""
        captions: list[list[Caption]] = []
        for start in range(0, len(pictures), BATCH):
            captions += self._batch(list(pictures[start : start + BATCH]), count)
        return captions

    def _batch(self, pictures: list[Image], count: int) -> list[list[Caption]]:
        model, processor = self._loaded.model, self._loaded.processor
        positions = getattr(model.config, "text_config", model.config).max_position_embeddings
        pixels = processor(images=pictures, return_tensors="pt").pixel_values.to(self._loaded.device)
        with torch.inference_mode():
            written = model.generate(
                pixel_values=pixels,
                num_beams=max(BEAMS, count),
                num_return_sequences=count,
                max_new_tokens=min(MAX_CAPTION, positions - ENDS),
                length_penalty=1.0,  # a beam's score is then the mean logarithm of its tokens' probabilities
                return_dict_in_generate=True,
                output_scores=True,
            )
        texts = processor.batch_decode(written.sequences, skip_special_tokens=True)
        scores = written.sequences_scores.exp().tolist()
        said = [Caption(text.strip(), score) for text, score in zip(texts, scores, strict=True)]
        return [
            list({one.text: one for one in reversed(said[n : n + count]) if one.text}.values())[::-1]
            for n in range(0, len(said), count)
        ]
