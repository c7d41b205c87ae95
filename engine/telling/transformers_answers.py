"""Questions on a picture, answered by models of transformers: ViLT, BLIP, LXMERT and VisualBERT.

A model that chooses among answers gives a probability to each: the sigmoid of its score where it was trained
to say of each whether it is right (ViLT, arXiv 2102.03334; LXMERT, arXiv 1908.07490), the softmax of the
scores where the shares of answers were learned (VisualBERT, arXiv 1908.03557). BLIP (arXiv 2201.12086) writes
its answers; the probability of one is the product of those of its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL.Image import Image

from engine.checkpoints import Loaded
from engine.detection import MOST, WIDTH, Finder
from engine.errors import BadInput
from engine.telling import MAX_QUESTION, Answer
from engine.types import LabeledRegion

SURE = 0.5  # none of these models comes with a bound of its own
SHOWN = 5  # answers, the best of them
MAX_ANSWER = 10  # tokens of an answer that is written
BEAMS = 5
Scores: TypeAlias = list[tuple[str, float]]  # answers with their probabilities, best first


class TransformersAnswerer:
    """Answers questions with one model; `answers` returns the best for a picture and a question."""

    def __init__(self, name: str, loaded: Loaded, answers: Callable[[Image, str], Scores]) -> None:
        self.name = name
        self._loaded = loaded
        self._answers = answers

    def ask(self, picture: Image, question: str) -> Answer:
        """Answer a question; see `Answerer`. What the tokenizer cannot take whole is cut to what it reads."""
        asked = question.strip()
        if not any(character.isalnum() for character in asked):
            raise BadInput("there is no question in it; ask something such as: what color is the dog?")
        if len(asked) > MAX_QUESTION:
            raise BadInput(f"the question has {len(asked):,} characters, the limit is {MAX_QUESTION}")
        with torch.inference_mode():
            (text, chance), *others = self._answers(picture, asked)
        return Answer(text, chance, chance >= SURE, alternatives=tuple(others))


def vilt(loaded: Loaded, picture: Image, question: str) -> Scores:
    """Choose among the answers of a ViLT."""
    inputs = _read(loaded, picture, question)
    return _chosen(loaded, loaded.model(**inputs).logits[0].sigmoid())


def blip(loaded: Loaded, picture: Image, question: str) -> Scores:
    """Let a BLIP write the best answers, by beam search."""
    written = loaded.model.generate(
        **_read(loaded, picture, question),
        num_beams=BEAMS,
        num_return_sequences=BEAMS,
        max_length=MAX_ANSWER,
        length_penalty=0.0,  # a beam's score is then the sum of the logarithms of its tokens' probabilities
        return_dict_in_generate=True,
        output_scores=True,
    )
    texts = loaded.processor.batch_decode(written.sequences, skip_special_tokens=True)
    chances: dict[str, float] = {}
    for text, score in zip(texts, written.sequences_scores.exp().tolist(), strict=True):
        chances[text.strip()] = chances.get(text.strip(), 0.0) + score
    return sorted(chances.items(), key=lambda pair: -pair[1])


def lxmert(loaded: Loaded, detector: Finder, picture: Image, question: str) -> Scores:
    """Choose among the answers of an LXMERT, which reads the corners of each region too."""
    (regions,) = detector.detect([picture])
    features, corners, real = laid_out(regions)
    scores = loaded.model(
        **_tokens(loaded, question),
        visual_feats=features.to(loaded.device),
        visual_pos=corners.to(loaded.device),
        visual_attention_mask=real.to(loaded.device),
    ).question_answering_score[0]
    return _chosen(loaded, scores.sigmoid())


def visual_bert(loaded: Loaded, detector: Finder, picture: Image, question: str) -> Scores:
    """Choose among the answers of a VisualBERT."""
    (regions,) = detector.detect([picture])
    features, _, real = laid_out(regions)
    scores = loaded.model(
        **_tokens(loaded, question),
        visual_embeds=features.to(loaded.device),
        visual_attention_mask=real.to(loaded.device),
        visual_token_type_ids=torch.ones_like(real, dtype=torch.long).to(loaded.device),
    ).logits[0]
    return _chosen(loaded, scores.softmax(0))


def laid_out(regions: Sequence[LabeledRegion]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lay regions out as those models read them: features (1, 36, 2048), corners (1, 36, 4), which are real.

    Corners are left, top, right, bottom in shares of the picture; after the last region follow zeros.
    """
    features = np.zeros((1, MOST, WIDTH), dtype=np.float32)
    corners = np.zeros((1, MOST, 4), dtype=np.float32)
    real = np.zeros((1, MOST), dtype=np.float32)
    for place, region in enumerate(regions[:MOST]):
        assert region.feature is not None, "a detector gives features"
        box = region.box
        features[0, place] = region.feature
        corners[0, place] = box.x, box.y, box.x + box.width, box.y + box.height
        real[0, place] = 1
    return torch.from_numpy(features), torch.from_numpy(corners), torch.from_numpy(real)


def _read(loaded: Loaded, picture: Image, question: str) -> Any:
    return loaded.processor(
        images=picture, text=question, truncation=True, max_length=_longest(loaded), return_tensors="pt"
    ).to(loaded.device)


def _tokens(loaded: Loaded, question: str) -> Any:
    return loaded.processor(question, truncation=True, max_length=_longest(loaded), return_tensors="pt").to(
        loaded.device
    )


def _longest(loaded: Loaded) -> int:
    tokenizer = getattr(loaded.processor, "tokenizer", loaded.processor)
    positions = getattr(loaded.model.config, "text_config", loaded.model.config).max_position_embeddings
    return int(min(positions, tokenizer.model_max_length))


def _chosen(loaded: Loaded, chances: torch.Tensor) -> Scores:
    names = loaded.model.config.id2label
    best = chances.topk(min(SHOWN, len(chances)))
    return [(names[n], chance) for n, chance in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
