"""Questions on the validation photographs: how many are answered rightly, kind by kind.

    python -m bench.questions --data DIR [--teller KEY] [--limit N]

The questions are made from the photographs' captions by the rules of `training/questions.py`; an answer is
right when a caption gives it. Beside it, what the commonest answer of each kind in training gets. Intervals
are 95 %, by bootstrap over photographs; "sure" are the answers above the bound that was fitted on
held-back photographs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.machine import describe
from engine.encoders.mini import load_mini
from engine.telling import Answer, Answerer, open_answerer
from engine.telling.mini import MiniTeller
from engine.types import Tokens
from training.calibrate import calibration_error
from training.data import Photo, read_photos, read_picture, select
from training.measure import interval
from training.questions import KINDS, Question
from training.telling import SETS, cached_tokens, make_questions


@dataclass(frozen=True)
class Bench:
    """What is measured, and on what."""

    photos: Sequence[Photo]
    tokens: Tokens
    answerer: Answerer

    def ask(self, question: Question) -> Answer:
        """Ask a question on a validation photograph."""
        if isinstance(self.answerer, MiniTeller):
            return self.answerer.ask_tokens(self.tokens[question.photo], question.text)
        return self.answerer.ask(read_picture(self.photos[question.photo]), question.text)


def row(bench: Bench, questions: Sequence[Question], usual: str) -> str:
    """Measure the questions of one kind, as cells of Markdown."""
    answers = [bench.ask(question) for question in questions]
    hits = np.array([a.text in q.answers for a, q in zip(answers, questions, strict=True)])
    sure = np.array([answer.sure for answer in answers])
    shown = np.array([answer.probability for answer in answers])
    photo = np.unique([question.photo for question in questions], return_inverse=True)[1]
    plain = np.array([usual in question.answers for question in questions])
    right_of_sure = f"{100 * hits[sure].mean():.1f}" if sure.any() else "-"
    error = calibration_error(shown, hits)
    return (
        f"{len(questions):,} | {_cell(hits, photo)} | {usual}: {_cell(plain, photo)} | "
        f"{100 * sure.mean():.0f} | {right_of_sure} | {error:.3f}"
    )


def _cell(hits: npt.NDArray[np.bool_], photo: npt.NDArray[np.int64]) -> str:
    low, high = interval(hits, photo)
    return f"{100 * hits.mean():.1f} ({low:.1f}-{high:.1f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure answers on the validation photographs.")
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    parser.add_argument("--work", type=Path, default=Path("data/cache/tell"), help="where tokens are kept")
    parser.add_argument("--teller", default="mini", help="the model that answers")
    parser.add_argument("--limit", type=int, default=None, help="so many questions of each kind and set")
    chosen = parser.parse_args()
    photos = read_photos(chosen.data)
    tokens = cached_tokens(load_mini()[0], photos, chosen.work)
    bench = Bench(photos, tokens, open_answerer(chosen.teller))
    questions = make_questions(photos)
    train, val = set(select(photos, "train")), {n: set(select(photos, "val", g)) for n, g in SETS.items()}
    print(
        f"{describe()}\n\n| set | kind | questions | right | commonest | sure | right if sure | calibration |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in SETS:
        for kind in KINDS:
            of_kind = [q for q in questions if q.kind == kind]
            learned = Counter(answer for q in of_kind if q.photo in train for answer in q.answers)
            asked = [q for q in of_kind if q.photo in val[name]][: chosen.limit]
            cells = row(bench, asked, learned.most_common(1)[0][0])
            print(f"| {name} | {kind} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
