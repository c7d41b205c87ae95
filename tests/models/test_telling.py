"""Captions and answers by models of transformers: what each says is what transformers says by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image

from engine import BadInput, ModelUnavailable
from engine.detection import open_detector
from engine.telling import Answer, open_answerer, open_captioner

Saved = Callable[[str], Path]
QUESTION = "what color is the dog?"
ANSWERS = {0: "red", 1: "green", 2: "blue", 3: "two"}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    image = Image.new("RGB", (60, 40), "green")
    image.paste((200, 30, 30), (5, 5, 30, 35))
    return image


def parts(folder: Path, name: str, *, texts: bool = False) -> tuple[Any, Any]:
    """The model and its processor, by transformers alone."""
    loader = transformers.AutoTokenizer if texts else transformers.AutoProcessor
    return getattr(transformers, name).from_pretrained(folder).eval(), loader.from_pretrained(folder)


def ranked(answer: Answer) -> dict[str, float]:
    return {answer.text: answer.probability, **dict(answer.alternatives)}


def test_vilt_answers(saved: Saved, picture: Image.Image) -> None:
    model, processor = parts(saved("vilt-answers"), "ViltForQuestionAnswering")
    with torch.inference_mode():
        chances = model(**processor(images=picture, text=QUESTION, return_tensors="pt")).logits[0].sigmoid()

    answer = open_answerer(f"hf:{saved('vilt-answers')}", "cpu").ask(picture, QUESTION)

    assert ranked(answer) == pytest.approx({ANSWERS[n]: float(c) for n, c in enumerate(chances)}, abs=1e-5)
    assert answer.text == ANSWERS[int(chances.argmax())]
    assert answer.sure == (answer.probability >= 0.5)


def test_blip_answers(saved: Saved, picture: Image.Image) -> None:
    model, processor = parts(saved("blip-answers"), "BlipForQuestionAnswering")
    inputs = processor(images=picture, text=QUESTION, return_tensors="pt")
    written = model.generate(**inputs, num_beams=5, max_length=10, length_penalty=0.0)

    answer = open_answerer(f"hf:{saved('blip-answers')}", "cpu").ask(picture, QUESTION)

    texts = [answer.text, *(text for text, _ in answer.alternatives)]
    assert processor.decode(written[0], skip_special_tokens=True).strip() in texts
    assert 0 < answer.probability <= 1


def test_lxmert_answers_by_regions(saved: Saved, picture: Image.Image) -> None:
    checkpoint = saved("detector")
    (regions,) = open_detector(checkpoint).detect([picture])
    model, tokenizer = parts(saved("lxmert"), "LxmertForQuestionAnswering", texts=True)
    boxes = [(r.box.x, r.box.y, r.box.x + r.box.width, r.box.y + r.box.height) for r in regions]
    with torch.inference_mode():
        scores = model(
            **tokenizer(QUESTION, return_tensors="pt"),
            visual_feats=torch.stack([torch.from_numpy(r.feature) for r in regions])[None],
            visual_pos=torch.tensor([boxes]),
        ).question_answering_score[0]

    answer = open_answerer(f"hf:{saved('lxmert')}@{checkpoint}", "cpu").ask(picture, QUESTION)

    assert len(regions) == 36
    expected = {ANSWERS[n]: float(chance) for n, chance in enumerate(scores.sigmoid())}
    assert ranked(answer) == pytest.approx(expected, abs=1e-4)


def test_visual_bert_answers_by_regions(saved: Saved, picture: Image.Image) -> None:
    checkpoint = saved("detector")
    (regions,) = open_detector(checkpoint).detect([picture])
    model, tokenizer = parts(saved("visual-bert"), "VisualBertForQuestionAnswering", texts=True)
    features = torch.stack([torch.from_numpy(r.feature) for r in regions])[None]
    with torch.inference_mode():
        logits = model(
            **tokenizer(QUESTION, return_tensors="pt"),
            visual_embeds=features,
            visual_attention_mask=torch.ones(features.shape[:-1]),
            visual_token_type_ids=torch.ones(features.shape[:-1], dtype=torch.long),
        ).logits[0]

    answer = open_answerer(f"hf:{saved('visual-bert')}@{checkpoint}", "cpu").ask(picture, QUESTION)

    expected = {ANSWERS[n]: float(chance) for n, chance in enumerate(logits.softmax(0))}
    assert ranked(answer) == pytest.approx(expected, abs=1e-4)
    assert sum(expected.values()) == pytest.approx(1)


def test_fewer_regions_are_masked(saved: Saved, picture: Image.Image) -> None:
    from engine.telling.transformers_answers import laid_out

    (regions,) = open_detector(saved("detector")).detect([picture])
    features, corners, real = laid_out(regions[:2])
    assert (features.shape, corners.shape, real.sum()) == ((1, 36, 2048), (1, 36, 4), 2)
    assert not features[0, 2:].any() and not corners[0, 2:].any()


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("blip-captions", "BlipForConditionalGeneration"), ("git", "GitForCausalLM")],
)
def test_captions(saved: Saved, picture: Image.Image, name: str, architecture: str) -> None:
    other = Image.new("RGB", (1, 1), "white")
    model, processor = parts(saved(name), architecture)
    expected = []
    for image in (picture, other):
        pixels = processor(images=image, return_tensors="pt").pixel_values
        written = model.generate(pixel_values=pixels, num_beams=3, max_new_tokens=30, length_penalty=1.0)
        expected.append(processor.decode(written[0], skip_special_tokens=True).strip())

    captions = open_captioner(f"hf:{saved(name)}", "cpu").caption([picture, other])

    assert [[one.text for one in of_one] for of_one in captions] == [
        [text] if text else [] for text in expected
    ]
    assert all(0 < (one.probability or 0) <= 1 for of_one in captions for one in of_one)
    several = open_captioner(f"hf:{saved(name)}", "cpu").caption([picture], count=3)[0]
    assert len(several) == len({one.text for one in several}) <= 3


def test_no_question_and_too_long_a_one(saved: Saved, picture: Image.Image) -> None:
    answerer = open_answerer(f"hf:{saved('vilt-answers')}", "cpu")
    with pytest.raises(BadInput, match="there is no question in it"):
        answerer.ask(picture, " ?! ")
    with pytest.raises(BadInput, match="has 1,000 characters, the limit is 400"):
        answerer.ask(picture, "a" * 1000)
    assert answerer.ask(Image.new("RGB", (1, 1)), "is the dog in " * 20).text in ANSWERS.values()


def test_models_that_do_not_fit(saved: Saved, tmp_path: Path) -> None:
    unnamed = shutil.copytree(saved("lxmert"), tmp_path / "unnamed")
    config = json.loads((unnamed / "config.json").read_text("utf-8"))
    (unnamed / "config.json").write_text(json.dumps({**config, "id2label": {"0": "yes"}}), "utf-8")
    bare = shutil.copytree(saved("lxmert"), tmp_path / "bare")
    for path in bare.glob("*token*"):
        path.unlink()
    detector = saved("detector")
    for key, message in (
        (f"hf:{saved('git')}", "is a GitForCausalLM, which is not for answering questions .*VisualBertFor"),
        (f"hf:{saved('lxmert')}", "is a LxmertForQuestionAnswering, which reads regions; say which detector"),
        (f"hf:{saved('vilt-answers')}@{detector}", "reads no regions; leave @"),
        (f"hf:{saved('lxmert')}@{tmp_path}/no.pth", "there is no checkpoint of a detector at"),
        (f"hf:{saved('visual-bert-narrow')}@{detector}", "reads 512 numbers a region, .* gives 2048"),
        (f"hf:{bare}@{detector}", "has no tokenizer with words; save it beside"),
        (f"hf:{unnamed}@{detector}", "scores 4 answers and its config.json names 1"),
    ):
        with pytest.raises(ModelUnavailable, match=message) as caught:
            open_answerer(key, "cpu")
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelUnavailable, match="which is not for writing captions; these are: BlipForCond"):
        open_captioner(f"hf:{saved('vilt-answers')}", "cpu")
