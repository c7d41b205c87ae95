"""The joint vector: what a score of it is made of."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.encoders import mini_joint
from engine.encoders.mini_heads import DIM
from engine.encoders.mini_joint import Joint, nearness
from engine.encoders.mini_shape import JOINT_DIM
from engine.encoders.mini_towers import CLASSES, MEANS_WIDTH, TEXT_WIDTH

N = 6


def unit(rows: int, width: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, width), dim=1)


@pytest.fixture
def joint() -> Joint:
    torch.manual_seed(7)
    joint = Joint().eval()
    joint.basis.copy_(torch.linalg.qr(torch.randn(joint.basis.shape)).Q)
    joint.captions.copy_(unit(*joint.captions.shape))
    joint.photographs.copy_(unit(*joint.photographs.shape))
    joint.classes.copy_(unit(CLASSES, DIM))
    return joint


@torch.inference_mode()
def test_a_score_is_a_cosine_less_what_the_crowd_takes(joint: Joint) -> None:
    vectors, means, shown = unit(N, DIM), torch.randn(N, MEANS_WIDTH), torch.randn(N, CLASSES).softmax(1)
    words, meaning = unit(N, DIM), torch.randn(N, TEXT_WIDTH)
    pictures, texts = joint.pictures(vectors, means, shown), joint.texts(words, meaning)
    assert pictures.shape == texts.shape == (N, JOINT_DIM)
    assert pictures.norm(dim=1).tolist() == pytest.approx([1] * N, abs=1e-5)
    seen = joint.inner(joint.opinions_of_pictures(vectors, means, shown))
    read = joint.inner(joint.opinions_of_texts(words, meaning))
    taken = mini_joint.CAPTION_CROWD * nearness(seen, joint.captions)
    other = mini_joint.PICTURE_CROWD * nearness(read, joint.photographs)
    expected = read @ seen.T - taken - other[:, None]
    scores = texts @ pictures.T * (1 + mini_joint.CONSTANT**2)
    # within a percent or so: the lengths that are divided by differ a little
    assert torch.allclose(scores, expected, atol=0.03)
    assert (scores.argsort(1)[:, -1] == expected.argsort(1)[:, -1]).all()


def test_the_nearest_of_a_bank_count_most() -> None:
    bank = torch.eye(4)
    inner = F.normalize(torch.tensor([[1.0, 0, 0, 0], [1.0, 1, 1, 1]]), dim=1)
    one, all_of_them = nearness(inner, bank).tolist()
    assert one == pytest.approx(1 - torch.log(torch.tensor(4.0)).item() / mini_joint.SHARPNESS, abs=1e-3)
    assert all_of_them == pytest.approx(0.5)


@torch.inference_mode()
def test_a_picture_moves_toward_the_name_of_its_class(joint: Joint) -> None:
    vectors, means = unit(2, DIM), torch.randn(2, MEANS_WIDTH)
    shown = torch.zeros(2, CLASSES)
    shown[:, 3] = 1.0
    named = joint.opinions_of_pictures(vectors, means, shown)[:, :DIM]
    assert ((named @ joint.classes[3]) > (vectors @ joint.classes[3])).all()
