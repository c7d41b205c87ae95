"""The field's own annotation files: COCO, Karpathy's splits, Flickr's token files, and VQA v2."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.types import LabeledRegion, Region
from indexer.sources.columns import describe, read_captions
from indexer.sources.found import Described, Found, Reached, Unreadable, counted, untold
from indexer.sources.places import inner_uri, inside, named_picture

KARPATHY_COLUMNS = ("split", "imgid", "cocoid")


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a picture; `answer` is what most people said, `answers` all, if they are known."""

    id: int
    text: str
    answer: str | None = None
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedPicture:
    """A picture with its questions; the file may not be there."""

    image_id: int
    path: Path
    questions: tuple[Question, ...]


def read_coco(path: Path, images: Path, instances: Path | None, reached: Reached) -> Iterator[Found]:
    """Find the pictures of a COCO file of captions, of instances, or of one of each over the same pictures.

    Captions become the caption; instances the column `categories` and, where the file says how large the
    pictures are, regions. The pictures are those of the first file.
    """
    said = _said(path)
    if instances is not None:
        more = _said(instances)
        said = _Said(said.images, said.captions | more.captions, said.objects | more.objects)
    with _entries_of(path):
        for image in counted(said.images, reached):
            metadata = dict(describe(image, None, frozenset({"file_name"})).metadata)
            objects = said.objects.get(image["id"], [])
            if objects:
                metadata["categories"] = ", ".join(sorted({name for name, _ in objects}))
            captions = tuple(said.captions.get(image["id"], ()))
            described = Described(captions, metadata, _regions(image, objects))
            yield named_picture(
                images, image["file_name"], described, inner_uri("row", path, str(image["id"]))
            )


@dataclass(frozen=True, slots=True)
class _Said:
    """What one COCO file says: its pictures; captions and objects (name, box in pixels) of each."""

    images: list[Any]
    captions: dict[Any, list[str]]
    objects: dict[Any, list[tuple[str, Any]]]


def _said(path: Path) -> _Said:
    document = _load(path, "images", "annotations")
    names = {category["id"]: category["name"] for category in document.get("categories", [])}
    said = _Said(document["images"], {}, {})
    with _entries_of(path):
        for annotation in document["annotations"]:
            image = annotation["image_id"]
            if "caption" in annotation:
                said.captions.setdefault(image, []).extend(read_captions(annotation["caption"]))
            elif annotation.get("category_id") in names:
                found = (names[annotation["category_id"]], annotation.get("bbox"))
                said.objects.setdefault(image, []).append(found)
    return said


def _regions(
    image: Mapping[str, Any], objects: Sequence[tuple[str, Any]]
) -> tuple[LabeledRegion, ...] | None:
    """Turn boxes in pixels into regions, the largest first; those that lie outside of the picture are cut."""
    if not image.get("width") or not image.get("height"):
        return None
    regions = []
    for name, box in objects:
        if box is None:
            continue
        left, top, width, height = (float(number) for number in box)
        across = [min(max(x / image["width"], 0.0), 1.0) for x in (left, left + width)]
        down = [min(max(y / image["height"], 0.0), 1.0) for y in (top, top + height)]
        shares = (across[0], down[0], across[1] - across[0], down[1] - down[0])
        regions.append(LabeledRegion(Region(*(round(share, 6) for share in shares)), str(name)))
    return tuple(sorted(regions, key=lambda r: -r.box.width * r.box.height)) or None


def read_flickr(path: Path, images: Path, reached: Reached) -> Iterator[Found]:
    """Find the pictures of Flickr8k's or Flickr30k's token file: lines of NAME#NUMBER, a tab, a caption.

    A line that is none is found as `Unreadable`, and the rest goes on.
    """
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text("utf-8-sig", errors="replace").splitlines(), 1):
        name, tab, caption = line.partition("\t")
        name, mark, place = name.strip().rpartition("#")
        if not (tab and mark and name and place.isdecimal()):
            if line.strip():
                reason = f"line {number} is not NAME#NUMBER, a tab, and a caption"
                yield Unreadable(inner_uri("row", path, str(number)), reason)
            continue
        captions.setdefault(name, []).extend(read_captions(caption))
    for name, said in counted(captions.items(), reached):
        yield named_picture(images, name, Described(tuple(said)), inner_uri("row", path, name))


def read_karpathy(path: Path, images: Path, reached: Reached) -> Iterator[Found]:
    """Find the pictures of a Karpathy split, with their captions and their `split`."""
    document = _load(path, "images")
    with _entries_of(path):
        for image in counted(document["images"], reached):
            kept = {name: image[name] for name in KARPATHY_COLUMNS if name in image}
            described = Described(read_captions(image["sentences"]), describe(kept, None).metadata)
            place = inner_uri("row", path, str(image["imgid"]))
            yield named_picture(images, _karpathy_name(image, images), described, place)


def read_vqa(
    questions: Path, annotations: Path | None, images: Path, reached: Reached = untold
) -> Iterator[AskedPicture]:
    """Read VQA v2's questions by picture, with their answers where the annotations are given."""
    document = _load(questions, "questions")
    known: dict[Any, Mapping[str, Any]] = {}
    if annotations is not None:
        with _entries_of(annotations):
            answered = _load(annotations, "annotations")["annotations"]
            known = {annotation["question_id"]: annotation for annotation in answered}
    asked: dict[int, list[Question]] = defaultdict(list)
    with _entries_of(questions):
        for row in document["questions"]:
            found = known.get(row["question_id"], {})
            answers = tuple(answer["answer"] for answer in found.get("answers", []))
            question = Question(
                row["question_id"], row["question"], found.get("multiple_choice_answer"), answers
            )
            asked[row["image_id"]].append(question)
        subtype = document.get("data_subtype", "")
        for image_id, of_one in counted(asked.items(), reached):
            name = f"COCO_{subtype}_{image_id:012d}.jpg" if subtype else f"{image_id:012d}.jpg"
            yield AskedPicture(image_id, inside(images, name), tuple(of_one))


def find_asked(questions: Path, annotations: Path | None, images: Path, reached: Reached) -> Iterator[Found]:
    """Find the pictures of VQA v2; each question, with its answer, is a line of the caption."""
    for picture in read_vqa(questions, annotations, images, reached):
        lines = tuple(f"{q.text} {q.answer}" if q.answer else q.text for q in picture.questions)
        described = Described(lines, {"image_id": picture.image_id})
        place = inner_uri("row", questions, str(picture.image_id))
        yield named_picture(images, picture.path.name, described, place)


def _karpathy_name(image: Mapping[str, Any], images: Path) -> str:
    # COCO's splits say in which folder a picture is; people keep it with the folder or without.
    name = str(image["filename"])
    longer = f"{image['filepath']}/{name}" if image.get("filepath") else name
    try:
        return longer if inside(images, longer).exists() else name
    except BadInput:
        return longer  # refused where it is looked up


def _load(path: Path, *lists: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not JSON: {error}") from error
    for name in lists:
        if not isinstance(document, dict) or not isinstance(document.get(name), list):
            raise BadInput(f"{path}: expected an object with a list {name!r}; is it another kind of file?")
    return document  # type: ignore[no-any-return]


@contextmanager
def _entries_of(path: Path) -> Iterator[None]:
    """Turn a missing or misshapen entry of an annotation file into an error that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path}: an entry is not as this format has it: {error!r}") from error
