"""Questions on pictures with their answers, which models that answer are trained and measured on: VQA v2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from indexer.sources import Source, kind_of, split_pair
from indexer.sources.annotations import read_vqa
from indexer.sources.found import Reading


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A picture file, a question on it, and the answers that people gave, the commonest first."""

    picture: Path
    question: str
    answers: tuple[str, ...]


def asked_questions(source: Source, reading: Reading | None = None) -> Iterator[AskedQuestion]:
    """Read the questions of `vqa:questions.json,annotations.json` that have answers, in their order.

    Questions on pictures that are not there are left out. Raises `BadInput` for any other source.
    """
    kind, name = kind_of(source)
    if kind != "vqa":
        raise BadInput(f"{name} holds no questions with answers; give vqa:questions.json,annotations.json")
    questions, annotations = split_pair(name)
    if annotations is None:
        raise BadInput(f"{name} has questions alone; name the file of answers after a comma")
    images = (reading.images if reading else None) or questions.parent
    return (
        AskedQuestion(asked.path, question.text, _commonest_first(question.answer, question.answers))
        for asked in read_vqa(questions, annotations, images)
        if asked.path.is_file()
        for question in asked.questions
        if question.answer is not None
    )


def _commonest_first(answer: str | None, answers: tuple[str, ...]) -> tuple[str, ...]:
    counted = sorted(answers, key=lambda one: (one != answer, -answers.count(one)))
    return tuple(counted) or ((answer,) if answer is not None else ())
