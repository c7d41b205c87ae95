"""COCO, Karpathy's splits and VQA: captions and metadata by picture, and files that are not one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from making import png, write_json, write_pictures

from engine import BadInput, Region, Report, SearchEngine
from indexer import Reading, index, read
from indexer.asked import AskedQuestion, asked_questions
from indexer.captioned import captioned_pictures
from indexer.sources.annotations import AskedPicture, Question, read_vqa
from indexer.sources.found import PictureFile, Unreadable

COCO: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "red.png", "width": 8, "license": 4},
        {"id": 2, "file_name": "blue.png", "width": 8, "license": 5},
        {"id": 3, "file_name": "gone.png"},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "caption": "a red one "},
        {"id": 2, "image_id": 2, "caption": "a blue one"},
        {"id": 3, "image_id": 1, "caption": "red again"},
    ],
}


def test_coco_captions(tmp_path: Path, empty: SearchEngine) -> None:
    images = write_pictures(tmp_path / "img", "red.png", "blue.png")
    path = write_json(tmp_path / "captions.json", COCO)

    report = index(empty, [f"coco:{path}"], reading=Reading(images))

    assert report.added == 2
    assert report.failed == {(images / "gone.png").as_uri(): "no such file"}
    red = empty.find((images / "red.png").as_uri())
    assert red.text == "a red one\nred again"
    assert (red.metadata["license"], red.metadata["row_id"]) == (4, 1)
    assert index(empty, [f"coco:{path}"], reading=Reading(images)).unchanged == 2


def test_coco_instances_become_a_column_of_category_names(tmp_path: Path, empty: SearchEngine) -> None:
    write_pictures(tmp_path, "red.png", "blue.png")
    document = {
        "images": COCO["images"][:2],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
        "annotations": [{"image_id": 1, "category_id": category} for category in (18, 1, 18)],
    }
    path = write_json(tmp_path / "instances.json", document)

    index(empty, [f"coco:{path}"])

    assert empty.find((tmp_path / "red.png").as_uri()).metadata["categories"] == "dog, person"
    assert "categories" not in empty.find((tmp_path / "blue.png").as_uri()).metadata


def test_coco_captions_with_instances_give_regions(tmp_path: Path, empty: SearchEngine) -> None:
    images = write_pictures(tmp_path / "img", "red.png", "blue.png")
    sized = [{**image, "width": 80, "height": 40} for image in COCO["images"][:2]]
    captions = write_json(tmp_path / "captions.json", {**COCO, "images": sized})
    boxes = {"images": sized, "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]}
    objects = [
        {"image_id": 1, "category_id": 18, "bbox": [8, 10, 8, 4], "iscrowd": 0},
        {"image_id": 1, "category_id": 1, "bbox": [40, 0, 60.5, 40], "iscrowd": 0},  # reaches outside
    ]
    instances = write_json(tmp_path / "instances.json", {**boxes, "annotations": objects})
    source = f"coco:{captions},{instances}"

    assert index(empty, [source], reading=Reading(images)) == Report(added=2)

    red = empty.find((images / "red.png").as_uri())
    assert (red.text, red.metadata["categories"]) == ("a red one\nred again", "dog, person")
    person, dog = empty.regions(red.id or 0)
    assert (dog.label, dog.score, dog.feature) == ("dog", 1.0, None)
    assert dog.box == Region(0.1, 0.25, 0.1, 0.1)
    assert person.box == Region(0.5, 0, 0.5, 1)
    assert [hit.item.id for hit in empty.search("dog", signals={"objects": 1})] == [red.id]
    assert index(empty, [source], reading=Reading(images)).unchanged == 2
    objects[0]["category_id"] = 1
    write_json(instances, {**boxes, "annotations": objects})
    assert index(empty, [source], reading=Reading(images)) == Report(updated=1, unchanged=1)
    assert not empty.search("dog", signals={"objects": 1}).hits


def test_flickr_token_files(tmp_path: Path, empty: SearchEngine) -> None:
    images = write_pictures(tmp_path / "img", "red.png", "blue.png")
    lines = ["red.png#0\tA red one .", "red.png#1\tRed again .", "no caption here", "", "gone.png#0\tGone ."]
    path = tmp_path / "results_20130124.token"
    path.write_text("\n".join([*lines, "blue.png#0\tA blue one .", "../red.png#0\tOut ."]), "utf-8")

    report = index(empty, [f"flickr:{path}"], reading=Reading(images))

    assert report.added == 2
    assert empty.find((images / "red.png").as_uri()).text == "A red one .\nRed again ."
    assert "line 3 is not NAME#NUMBER, a tab, and a caption" in report.failed.values()
    assert any("lies outside" in reason for reason in report.failed.values())
    assert report.failed[(images / "gone.png").as_uri()] == "no such file"
    path.write_text("\n".join(lines[:2]), "utf-8")
    (pair,) = captioned_pictures(f"flickr:{path}", Reading(images))
    assert pair.captions == ("A red one .", "Red again .")


def test_karpathy_splits_with_their_split(tmp_path: Path, empty: SearchEngine) -> None:
    images = write_pictures(tmp_path / "img", "red.png", "val2014/blue.png")
    sentences = [{"raw": "One.", "tokens": ["one"], "sentid": 0}, {"raw": " Two."}]
    document = {
        "dataset": "flickr8k",
        "images": [
            {"filename": "red.png", "imgid": 0, "split": "train", "sentences": sentences, "sentids": [0, 1]},
            {
                "filename": "blue.png",
                "filepath": "val2014",
                "imgid": 1,
                "split": "test",
                "sentences": sentences,
            },
        ],
    }
    path = write_json(tmp_path / "dataset_flickr8k.json", document)

    assert index(empty, [f"karpathy:{path}"], reading=Reading(images)) == Report(added=2)

    red = empty.find((images / "red.png").as_uri())
    assert (red.text, red.metadata["split"], red.metadata["imgid"]) == ("One.\nTwo.", "train", 0)
    assert [hit.item.metadata["name"] for hit in empty.search("red", filter='split = "test"')] == ["blue.png"]


def test_vqa_gives_questions_and_answers_by_picture(tmp_path: Path, empty: SearchEngine) -> None:
    name = "COCO_val2014_000000000042.jpg"
    (tmp_path / name).write_bytes(png("red"))
    questions = write_json(
        tmp_path / "questions.json",
        {
            "data_subtype": "val2014",
            "questions": [
                {"image_id": 42, "question": "What color?", "question_id": 420},
                {"image_id": 43, "question": "Is it?", "question_id": 430},
                {"image_id": 42, "question": "How many?", "question_id": 421},
            ],
        },
    )
    answers = [{"answer": "red", "answer_id": 1}, {"answer": "rouge", "answer_id": 2}]
    annotations = write_json(
        tmp_path / "annotations.json",
        {"annotations": [{"question_id": 420, "multiple_choice_answer": "red", "answers": answers}]},
    )

    first, second = read_vqa(questions, annotations, tmp_path)

    known = Question(420, "What color?", "red", ("red", "rouge"))
    assert first == AskedPicture(42, tmp_path / name, (known, Question(421, "How many?")))
    assert (second.image_id, second.path.exists()) == (43, False)
    report = index(empty, [f"vqa:{questions},{annotations}"])
    assert (report.added, list(report.failed.values())) == (1, ["no such file"])
    assert empty.find((tmp_path / name).as_uri()).text == "What color? red\nHow many?"


def test_questions_with_answers_are_read_for_training_and_measuring(tmp_path: Path) -> None:
    name = "COCO_val2014_000000000042.jpg"
    (tmp_path / name).write_bytes(png("red"))
    asked = [(42, "What color?", 420), (42, "How many?", 421), (43, "Is it?", 430)]
    rows = [{"image_id": i, "question": text, "question_id": n} for i, text, n in asked]
    questions = write_json(tmp_path / "q.json", {"data_subtype": "val2014", "questions": rows})
    answers = [{"answer": text} for text in ("rouge", "red", "red")]
    known = [{"question_id": n, "multiple_choice_answer": "red", "answers": answers} for n in (420, 430)]
    annotations = write_json(tmp_path / "a.json", {"annotations": known})

    (one,) = asked_questions(f"vqa:{questions},{annotations}")

    assert one == AskedQuestion(tmp_path / name, "What color?", ("red", "red", "rouge"))
    for source, message in (
        (f"vqa:{questions}", "has questions alone"),
        (f"coco:{questions}", "holds no questions with answers"),
    ):
        with pytest.raises(BadInput, match=message):
            asked_questions(source)


@pytest.mark.parametrize("kind", ["coco", "karpathy"])
@pytest.mark.parametrize("name", ["../gold.png", "/etc/hostname"])
def test_annotations_cannot_reach_out_of_the_folder_of_pictures(tmp_path: Path, kind: str, name: str) -> None:
    write_pictures(tmp_path, "gold.png")
    images = write_pictures(tmp_path / "img", "red.png")
    image = {"id": 1, "file_name": name, "filename": name, "imgid": 1, "split": "x", "sentences": []}
    path = write_json(tmp_path / "a.json", {"images": [image], "annotations": []})

    (found,) = read(f"{kind}:{path}", Reading(images))

    assert isinstance(found, Unreadable)
    assert (found.uri, "lies outside" in found.reason) == (f"row:{path}#1", True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON: Expecting property name"),
        ('{"a": 1}', "expected an object with a list 'images'"),
        (
            '{"images": [{"id": 1}], "annotations": []}',
            "an entry is not as this format has it: KeyError('file_name')",
        ),
        ('{"images": [], "annotations": [3]}', "an entry is not as this format has it: TypeError"),
    ],
)
def test_a_file_that_is_not_one_fails_as_a_whole_and_the_rest_goes_on(
    tmp_path: Path, empty: SearchEngine, text: str, reason: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    photos = write_pictures(tmp_path / "photos", "red.png")

    report = index(empty, [f"coco:{path}", photos])

    assert report.added == 1
    assert reason in report.failed[path.as_uri()]


def test_what_is_missing_or_unclear_is_said_at_once(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", COCO)
    for source, images, message in (
        (path, None, r"may be several things; say coco:.*a\.json, karpathy:"),
        (f"coco:{tmp_path}/b.json", None, "no such file or folder"),
        (f"coco:{path}", tmp_path / "nowhere", "no such folder of pictures: .*nowhere; .*--images"),
    ):
        with pytest.raises(BadInput, match=message):
            read(source, Reading(images))


def test_a_link_in_the_folder_of_pictures_is_its_owners_will(tmp_path: Path) -> None:
    write_pictures(tmp_path / "disk", "red.png")
    (tmp_path / "img").symlink_to(tmp_path / "disk")
    document = {"images": [{"id": 1, "file_name": "red.png"}], "annotations": []}
    path = write_json(tmp_path / "a.json", document)

    (found,) = read(f"coco:{path}", Reading(tmp_path / "img"))

    assert isinstance(found, PictureFile)
