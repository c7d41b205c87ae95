"""Questions on the validation photographs: how many are answered rightly, kind by kind.

    python -m bench.questions --data DIR [--teller KEY] [--limit N]

The questions are made from the photographs' captions by the rules of `training/questions.py`; an answer is
right when a caption gives it. With `--vqa` those that people asked come too, where three of ten people must
have given it. Beside it, what the commonest answer of each kind in training gets. Intervals are 95 %, by
bootstrap over photographs; "sure" are the answers above the bound that was fitted on held-back photographs.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.machine import describe
from engine.encoders.mini import load_mini
from engine.telling import Answer, Answerer, open_answerer
from engine.telling.mini import MiniTeller
from engine.types import Tokens
from training.asked import GROUP
from training.calibrate import calibration_error
from training.data import Photo, read_picture, select
from training.measure import interval
from training.questions import KINDS, Question
from training.telling import SETS, add_material, read_material


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
    add_material(parser)
    parser.add_argument("--teller", default="mini", help="the model that answers")
    parser.add_argument("--limit", type=int, default=None, help="so many questions of each kind and set")
    chosen = parser.parse_args()
    material = read_material(chosen, load_mini()[0])
    photos, questions = material.photos, material.questions
    bench = Bench(photos, material.tokens, open_answerer(chosen.teller))
    sets = SETS | ({"VQA v2": GROUP} if chosen.vqa else {})
    train, val = set(select(photos, "train")), {n: set(select(photos, "val", g)) for n, g in sets.items()}
    print(
        f"{describe()}\n\n| set | kind | questions | right | commonest | sure | right if sure | calibration |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in sets:
        for kind in KINDS:
            of_kind = [q for q in questions if q.kind == kind]
            learned = Counter(answer for q in of_kind if q.photo in train for answer in q.answers)
            asked = [q for q in of_kind if q.photo in val[name]][: chosen.limit]
            if not asked:
                continue
            cells = row(bench, asked, learned.most_common(1)[0][0])
            print(f"| {name} | {kind} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
