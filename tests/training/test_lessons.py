"""Further lessons of the fusion model: each teaches what it says, and none is left in what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.fusion import FusionModel, Shape
from training.checkpoints import Resume
from training.gallery import Gallery, unit
from training.lessons import LESSONS, MATCHING, SOFT, WORDS, Lessons
from training.reranker import Recipe, teach

PICTURES, CELLS, WORD_COUNT, DIM = 24, 6, 5, 16


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    """Pictures of random cells; the words of a caption are cells of its picture, a little off."""
    torch.manual_seed(0)
    cells = F.normalize(torch.randn(PICTURES, CELLS, DIM), dim=-1)
    words = F.normalize(cells[:, :WORD_COUNT] + 0.1 * torch.randn(PICTURES, WORD_COUNT, DIM), dim=-1)
    whole = F.normalize(cells.mean(1), dim=-1)
    lengths = torch.full((PICTURES,), WORD_COUNT)
    small = (cells * 127).round().to(torch.int8), (words * 127).round().to(torch.int8)
    return Gallery(whole, small[0], whole, small[1], lengths, np.arange(PICTURES))


def learn(name: str, fusion: FusionModel, gallery: Gallery, count: int, steps: int) -> Lessons:
    """Train a model on one lesson alone, on the first `count` pictures."""
    lessons = Lessons((name,), fusion)
    optimizer = torch.optim.Adam([*fusion.parameters(), *lessons.parameters()], lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(lessons, fusion, gallery, range(count)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return lessons


def loss_of(lessons: Lessons, fusion: FusionModel, gallery: Gallery, pictures: Sequence[int]) -> Tensor:
    """Ask the lessons of the first captions, beside these pictures."""
    chosen = list(pictures)
    words, cells = unit(gallery.words[: len(chosen)]), unit(gallery.cells[chosen])
    real = torch.ones(words.shape[:2], dtype=torch.bool)
    logits = torch.stack([fusion.cross(words, real, cells[i : i + 1]) for i in range(len(cells))], 1)
    return lessons.loss(fusion, logits, words, real, cells)


def test_all_lessons_together_teach_to_tell_pairs_and_keep_one_model(
    gallery: Gallery, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    recipe = Recipe(steps=40, batch=10, known=0.0, rate=3e-3, lessons=LESSONS)

    fusion = teach(FusionModel(Shape(DIM, 1)), gallery, recipe, Resume(tmp_path / "run.pt"))

    words, cells = unit(gallery.words), unit(gallery.cells)
    real = torch.ones(words.shape[:2], dtype=torch.bool)
    with torch.inference_mode():
        fits = torch.stack([fusion.cross(words, real, cells[i : i + 1]) for i in range(len(cells))], 1)
    assert (fits.argmax(1) == torch.arange(PICTURES)).float().mean() > 0.7
    assert fusion.state_dict().keys() == FusionModel(Shape(DIM, 1)).state_dict().keys()


def test_matching_is_learned(gallery: Gallery) -> None:
    torch.manual_seed(1)
    fusion = FusionModel(Shape(DIM, 1))
    before = loss_of(Lessons((MATCHING,), fusion), fusion, gallery, range(8)).item()

    lessons = learn(MATCHING, fusion, gallery, 8, 40)

    assert loss_of(lessons, fusion, gallery, range(8)).item() < before / 2


def test_a_hidden_word_is_told_from_its_picture(gallery: Gallery) -> None:
    """With another's picture beside it, it is told worse."""
    torch.manual_seed(1)
    fusion = FusionModel(Shape(DIM, 1))
    lessons = learn(WORDS, fusion, gallery, 8, 150)
    found = []
    for pictures in (range(8), [*range(1, 8), 0]):
        torch.manual_seed(2)  # the same words are hidden
        with torch.inference_mode():
            found.append(sum(loss_of(lessons, fusion, gallery, pictures).item() for _ in range(10)))
    assert found[0] < found[1] - 1


def test_soft_targets_go_to_what_means_the_same() -> None:
    texts = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.05], [0.0, 1.0]]), dim=1)
    fusion = FusionModel(Shape(DIM, 1))

    soft, hard = Lessons((SOFT,), fusion).target(texts), Lessons((), fusion).target(texts)

    assert torch.equal(hard, torch.eye(3))
    assert soft.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert soft[0, 0] > soft[0, 1] > 10 * soft[0, 2]
