"""Telling, the answers: the reader is taught on questions made from captions, then calibrated on others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.telling.asked import COLORS, COUNTS, KINDS, PLACES
from engine.telling.reader import Reader
from engine.telling.words import split
from engine.types import Floats, Tokens
from training.data import SEED
from training.questions import Question

log = logging.getLogger("training")
BATCH = 256
RATE = 1.5e-3
DECAY = 0.02
SMOOTHING = 0.05
LEAST = 8  # questions that an answer is the answer of
RIGHT = 0.75  # an answer is sure when so many of those as likely, or likelier, were right
GRID = 9


@dataclass(frozen=True)
class Classroom:
    """What questions are read with.

    `words` gives the rows of `meanings` and `looks`; `calls` (photographs, vocabulary) float16 is what
    each photograph
    calls for, and `called` the place of a word in that vocabulary. `tokens` are of all photographs.
    """

    words: Mapping[str, int]
    meanings: Tensor
    looks: Tensor
    calls: npt.NDArray[np.float16]
    called: Mapping[str, int]
    tokens: Tokens
    answers: Sequence[str]

    def batch(
        self, questions: Sequence[Question], mirrored: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Tensor, ...]:
        """Put questions together for the reader: what `Reader.forward` takes."""
        texts = [split(question.text) for question in questions]
        ids = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.int64)
        real = torch.zeros_like(ids, dtype=torch.bool)
        calls = torch.zeros(ids.shape)
        photos = [question.photo for question in questions]
        for row, words in enumerate(texts):
            ids[row, : len(words)] = torch.tensor([self.words[word] for word in words])
            real[row, : len(words)] = True
            mine = self.calls[photos[row]]
            calls[row, : len(words)] = torch.tensor(
                [float(mine[self.called[w]]) if w in self.called else 0.0 for w in words]
            )
        cells = self.tokens[photos].astype(np.float32) / 127
        if mirrored is not None:
            grid = cells.reshape(len(photos), GRID, GRID, -1)
            grid[mirrored] = grid[mirrored, :, ::-1]
            cells = grid.reshape(cells.shape)
        places = np.array([self.called.get(answer, -1) for answer in self.answers])
        answers = np.where(places >= 0, self.calls[photos][:, places].astype(np.float32), 0)
        there = real[..., None]
        return (
            self.meanings[ids] * there,
            self.looks[ids] * there,
            calls,
            real,
            torch.from_numpy(cells),
            torch.from_numpy(answers.astype(np.float32)),
        )


def choose_answers(questions: Sequence[Question]) -> tuple[list[str], dict[str, list[int]]]:
    """Choose the answers that are learned, and tell which of them answer each kind."""
    closed = {"yes/no": ("yes", "no"), "count": COUNTS, "color": COLORS, "where": PLACES}
    by_kind: dict[str, list[str]] = {}
    for kind in KINDS:
        counts = Counter(answer for q in questions if q.kind == kind for answer in q.answers)
        named = [answer for answer, count in counts.most_common() if count >= LEAST]
        by_kind[kind] = [answer for answer in named if answer in closed.get(kind, named)]
    answers = sorted({answer for of_kind in by_kind.values() for answer in of_kind})
    return answers, {kind: [answers.index(answer) for answer in found] for kind, found in by_kind.items()}


def train(
    room: Classroom, questions: Sequence[Question], kinds: Mapping[str, Sequence[int]], rounds: int
) -> Reader:
    """Teach a new reader; of several right answers a question is taught each in turn, by chance."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    reader = Reader(len(room.answers), dropout=0.25)
    optimizer = torch.optim.AdamW(reader.parameters(), RATE, weight_decay=DECAY)
    steps = rounds * -(-len(questions) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    masks = _masks(kinds, len(room.answers))
    number = {answer: place for place, answer in enumerate(room.answers)}
    known = [q for q in questions if any(number.get(a, -1) in kinds[q.kind] for a in q.answers)]
    for turn in range(rounds):
        total, order = 0.0, rng.permutation(len(known))
        for start in range(0, len(order), BATCH):
            some = [known[place] for place in order[start : start + BATCH]]
            right = [[number[a] for a in q.answers if number.get(a, -1) in kinds[q.kind]] for q in some]
            target = torch.tensor([int(rng.choice(places)) for places in right])
            logits, _ = reader(*room.batch(some, rng.random(len(some)) < 0.5))
            logits = logits + torch.stack([masks[q.kind] for q in some])
            chances = logits.log_softmax(-1)
            wide = -(chances.clamp(min=-20) * (logits > -1e3)).sum(-1) / (logits > -1e3).sum(-1)
            loss = ((1 - SMOOTHING) * F.nll_loss(chances, target, reduction="none") + SMOOTHING * wide).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            optimizer.step()
            if schedule.last_epoch < steps:
                schedule.step()
            total += float(loss.detach()) * len(some)
        log.info("reader: round %d, loss %.3f over %d questions", turn + 1, total / len(known), len(known))
    return reader.eval()


def _masks(kinds: Mapping[str, Sequence[int]], answers: int) -> dict[str, Tensor]:
    masks = {kind: torch.full((answers,), -1e4) for kind in kinds}
    for kind, places in kinds.items():
        masks[kind][list(places)] = 0.0
    return masks


def predict(
    reader: Reader, room: Classroom, questions: Sequence[Question], places: Sequence[int]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the logits of the answers of one kind (n, a), and which of them are right (n, a)."""
    logits = []
    with torch.inference_mode():
        for start in range(0, len(questions), BATCH):
            found, _ = reader(*room.batch(questions[start : start + BATCH]))
            logits.append(found[:, list(places)].numpy())
    names = [room.answers[place] for place in places]
    right = np.array([[name in question.answers for name in names] for question in questions])
    return np.concatenate(logits), right


def calibrate(logits: Floats, right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Choose the temperature that fits best, and the bound from which an answer is sure."""
    steps = np.geomspace(0.5, 4, 25)
    losses = [-np.log(np.maximum((_chances(logits, t) * right).sum(1), 1e-6)).mean() for t in steps]
    temperature = float(steps[int(np.argmin(losses))])
    chances = _chances(logits, temperature)
    order = np.argsort(-chances.max(1))
    hits = right[np.arange(len(right)), chances.argmax(1)][order]
    shares = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    enough = np.flatnonzero(shares >= RIGHT)
    enough = enough[enough >= min(20, len(hits) - 1)]  # the first few say little
    bound = float(chances.max(1)[order][enough[-1]]) if len(enough) else 1.0
    return {"temperature": round(temperature, 3), "bound": round(bound, 3)}


def _chances(logits: Floats, temperature: float) -> Floats:
    scaled = logits / temperature
    raised = np.exp(scaled - scaled.max(1, keepdims=True))
    shares: Floats = raised / raised.sum(1, keepdims=True)
    return shares
