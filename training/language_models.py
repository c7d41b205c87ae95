"""Language models for captions: tuned by caption contrast, then given heads by picture contrast.

After LLM2CLIP (arXiv 2411.04997): captions of one picture are positives, all others in the batch are
not, and low-rank parts of the upper layers learn it (LoRA, arXiv 2106.09685). Frozen again, the model
gets a head that learns from photographs, whose own features are frozen too. A model may be one that
reads both ways (MiniLM) or a causal one (Llama's kind), of which it takes what the layers say of
the words, averaged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from engine.encoders.mini_joint import PlainHead
from engine.encoders.mini_shape import TEXT_LIMIT
from engine.encoders.mini_towers import MEANS_WIDTH
from engine.types import Bitmap, Ids
from training import own
from training.checkpoints import Resume
from training.features import BATCH, CaptionStates, Pieces, Tower
from training.gallery import Gallery, Ints

log = logging.getLogger("training")

NOTHING = torch.empty(0)
PARTS = 4  # of a batch, by length of captions: less is padding
DROPOUT = 0.4  # of pictures; of texts half


@dataclass(frozen=True)
class Tuning:
    """The dials of caption contrast."""

    steps: int = 40
    pairs: int = 64  # of captions, in a batch
    rank: int = 16
    rate: float = 1e-3
    seed: int = 0


class CausalTower(nn.Module):
    """A causal language model of Llama's kind, cut in two; `published` are its last layers.

    Padding stands at the end, where no word looks. The first place is that of the mark every text begins
    with: causal models park attention there (arXiv 2309.17453), so no mean takes it in.
    """

    def __init__(self, model: Any, upper: int) -> None:
        super().__init__()
        self.embeddings, self.rotary, self.norm = model.embed_tokens, model.rotary_emb, model.norm
        layers = list(model.layers)
        self.bottom = nn.ModuleList(layers[:-upper])
        self.published = nn.ModuleList(layers[-upper:])
        self.requires_grad_(False)
        self.eval()

    def start(self, ids: Tensor, real: Tensor) -> Tensor:
        """Map ids (n, t) to what the lower layers make of them: (n, t, width)."""
        return self._run(self.bottom, self.embeddings(ids))

    def means(self, hidden: Tensor, real: Tensor) -> Tensor:
        """Map what `start` gave to the mean of the words' last states: (n, width), unit."""
        words = real.clone()
        words[:, 0] = False
        found = self.norm(self._run(self.published, hidden))
        return F.normalize((found * words[..., None]).sum(1) / words.sum(1, keepdim=True), dim=-1)

    def _run(self, layers: nn.ModuleList, hidden: Tensor) -> Tensor:
        places = torch.arange(hidden.shape[1])[None]
        turned = self.rotary(hidden, places)
        for layer in layers:
            hidden = layer(hidden, position_ids=places, position_embeddings=turned)
        return hidden


class BytePieces:
    """A causal model's tokenizer: a mark in front, cut to TEXT_LIMIT."""

    def __init__(self, tokenizer: Tokenizer, mark: int) -> None:
        self._tokenizer = tokenizer
        self._mark = mark

    def encode(self, texts: Sequence[str]) -> tuple[Ids, Bitmap]:
        """Turn texts into ids (n, t) int64 and `real` (n, t) bool, t being the longest of them."""
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        rows = [torch.tensor([self._mark, *row.ids[: TEXT_LIMIT - 1]]) for row in encoded]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._mark)
        return ids.numpy(), np.arange(ids.shape[1]) < np.array([[len(row)] for row in rows])


class Clock:
    """Counts the processor's seconds of a training, also of one that goes on where it was stopped."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.process_time()
        self._steps = 0

    def __call__(self, step: int, steps: int) -> None:
        """Take note of a step."""
        self._steps += 1
        if step % 20 == 0:
            log.info("%s: step %d of %d, %.0f s", self._name, step, steps, self.seconds(step))

    def seconds(self, steps: int) -> float:
        """Tell what so many steps took, by those that were seen."""
        return (time.process_time() - self._began) * steps / max(1, self._steps)


def add_low_rank(layers: nn.ModuleList, rank: int) -> nn.ParameterList:
    """Freeze layers, give each of their linear maps a low-rank part that learns, and return those parts."""
    from peft import LoraConfig, inject_adapter_in_model

    maps = [name for name, module in layers.named_modules() if isinstance(module, nn.Linear)]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=maps), layers)
    return nn.ParameterList([weight for weight in layers.parameters() if weight.requires_grad])


def merge(layers: nn.ModuleList) -> None:
    """Add what the low-rank parts have learned to the weights, so that they cost no time."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in layers.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge()


def sentence_vectors(tower: Tower, pieces: Pieces, texts: Sequence[str]) -> Tensor:
    """Encode texts, (n, width), those of about one length together; only the upper layers keep gradients."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    found = []
    for rows in np.array_split(order, min(PARTS, len(texts))):
        ids, real = map(torch.from_numpy, pieces.encode([texts[row] for row in rows]))
        with torch.no_grad():
            hidden = tower.start(ids, real)
        found.append(tower.means(hidden, real))
    return torch.cat(found)[np.argsort(order)]


def contrast_captions(
    tower: Tower,
    pieces: Pieces,
    groups: Sequence[Sequence[str]],
    learning: nn.ParameterList,
    tuning: Tuning,
    resume: Resume,
    progress: Callable[[int, int], None],
) -> None:
    """Teach what learns in a tower that captions of one picture (a group of several) are near each other."""
    texts = [text for group in groups for text in group]
    first = np.cumsum([0, *map(len, groups)])
    owner = np.repeat(np.arange(len(groups)), np.diff(first))

    def sides(chosen: Ints, asked: Ints) -> tuple[Tensor, Tensor]:
        low = first[chosen]
        others = low + (asked - low + 1) % (first[chosen + 1] - low)
        vectors = sentence_vectors(tower, pieces, [texts[i] for i in (*asked, *others)])
        return vectors[len(chosen) :], vectors[: len(chosen)]

    gallery = Gallery(torch.empty(len(groups), 0), NOTHING, NOTHING, NOTHING, NOTHING, owner)
    recipe = own.Recipe(tuning.steps, tuning.pairs, tuning.rate, decay=0.0, seed=tuning.seed)
    own.teach(learning, sides, gallery, recipe, resume, progress)


@torch.inference_mode()
def caption_vectors(tower: Tower, states: CaptionStates, captions: Ints) -> Tensor:
    """Run the upper layers over the kept states of some captions: (n, width)."""
    order = np.argsort(np.diff(states.bounds)[captions], kind="stable")
    found = [
        tower.means(*states.batch(captions[order[start : start + BATCH]].tolist(), TEXT_LIMIT))
        for start in range(0, len(order), BATCH)
    ]
    return torch.cat(found)[np.argsort(order)]


class Adapter(nn.Module):
    """A head for pictures and one for texts, to one space."""

    def __init__(self, pictures: Tensor, texts: Tensor, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.image = PlainHead(MEANS_WIDTH, DROPOUT)
        self.text = PlainHead(texts.shape[1], DROPOUT / 2)
        for head, seen in ((self.image, pictures), (self.text, texts)):
            head.center.copy_(seen.mean(0))
            head.spread.copy_(seen.std(0).clamp(min=1e-6))

    def forward(self, pictures: Tensor, texts: Tensor) -> tuple[Tensor, Tensor]:
        """Map pictures' means and texts' vectors to unit vectors (n, DIM)."""
        return self.image(pictures), self.text(texts)


def contrast_pictures(
    pictures: Tensor,
    texts: Tensor,
    owner: Ints,
    recipe: own.Recipe,
    resume: Resume,
    progress: Callable[[int, int], None],
) -> Adapter:
    """Train heads on pictures (n, MEANS_WIDTH) and captions (m, width), `owner` (m,) saying of which."""
    adapter = Adapter(pictures, texts, recipe.seed)

    def sides(chosen: Ints, asked: Ints) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = adapter(pictures[chosen], texts[asked])
        return found

    gallery = Gallery(pictures, NOTHING, texts, NOTHING, NOTHING, owner)
    return own.teach(adapter, sides, gallery, recipe, resume, progress)
