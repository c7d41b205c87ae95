"""Questions that people asked of photographs, VQA v2's (arXiv 1612.00837), beside those of captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.telling.asked import NUMBERS, kind_of
from indexer.asked import AskedQuestion, asked_questions
from indexer.sources.found import Reading
from training.data import Photo
from training.questions import Question

GROUP = "vqa"
AGREED = 3  # people who gave an answer, from which it counts as wholly right, as VQA v2 counts it
DIGITS = {str(number): word for number, word in enumerate(NUMBERS, 1)}


def read_asked(source: str, images: Path | None, first: int) -> tuple[list[Photo], list[Question]]:
    """Read `vqa:questions.json,annotations.json`: the photographs that are there, and what is asked of them.

    Photographs are numbered from `first`. Where the file of questions is named `val`, they are for measuring.
    Questions of no kind that can be answered are left out. Raises `BadInput` for any other source.
    """
    photos: list[Photo] = []
    questions: list[Question] = []
    split = "val" if "val" in Path(source.split(",")[0]).stem else "train"
    places: dict[Path, int] = {}
    for asked in asked_questions(source, Reading(images=images)):
        if asked.picture not in places:
            places[asked.picture] = first + len(photos)
            size = asked.picture.stat().st_size
            photos.append(Photo(str(asked.picture), GROUP, split, (), asked.picture, 0, size))
        questions.extend(_question(asked, places[asked.picture]))
    return photos, questions


def _question(asked: AskedQuestion, photo: int) -> Iterator[Question]:
    try:
        kind, _ = kind_of(asked.question)
    except BadInput:
        return
    counts = Counter(DIGITS.get(answer, answer) for answer in asked.answers)
    commonest = DIGITS.get(asked.answers[0], asked.answers[0])
    agreed = [answer for answer, count in counts.most_common() if count >= AGREED and answer != commonest]
    yield Question(photo, asked.question, kind, (commonest, *agreed))
