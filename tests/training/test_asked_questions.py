"""Questions that people asked, of the files that VQA v2 is published in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.errors import BadInput
from training.asked import read_asked
from training.data import read_picture
from training.questions import Question

ASKED = [
    (7, "How many dogs are there?", ["2"] * 7 + ["3"] * 3),
    (7, "What color is the dog?", ["brown"] * 8 + ["tan"] * 2),
    (9, "Is it raining?", ["no"] * 10),
    (9, "Why not?", ["dry"] * 10),
    (11, "Is it there?", ["yes"] * 10),
]


def written(folder: Path, subtype: str) -> str:
    for number in (7, 9):
        Image.new("RGB", (8, 8), "red").save(folder / f"COCO_{subtype}_{number:012d}.jpg")
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for place, (image, text, answers) in enumerate(ASKED):
        questions.append({"image_id": image, "question": text, "question_id": place})
        told = [{"answer": answer} for answer in answers]
        annotations.append({"question_id": place, "multiple_choice_answer": answers[0], "answers": told})
    files = [folder / f"{kind}_{subtype}.json" for kind in ("questions", "annotations")]
    files[0].write_text(json.dumps({"data_subtype": subtype, "questions": questions}))
    files[1].write_text(json.dumps({"annotations": annotations}))
    return "vqa:" + ",".join(map(str, files))


@pytest.mark.parametrize(("subtype", "split"), [("train2014", "train"), ("val2014", "val")])
def test_what_people_asked_is_taught_with_what_three_of_them_said(
    tmp_path: Path, subtype: str, split: str
) -> None:
    photos, questions = read_asked(written(tmp_path, subtype), tmp_path, first=100)

    assert questions == [
        Question(100, "How many dogs are there?", "count", ("two", "three")),
        Question(100, "What color is the dog?", "color", ("brown",)),
        Question(101, "Is it raining?", "yes/no", ("no",)),
    ]
    assert [(photo.split, photo.captions, read_picture(photo).size) for photo in photos] == [
        (split, (), (8, 8))
    ] * 2


def test_other_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no questions with answers"):
        read_asked(f"coco:{tmp_path}/captions.json", None, 0)
