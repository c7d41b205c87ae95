"""The pair functions of the fusion model, against plain arithmetic and slower ways."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.fusion import FAMILIES, FusionModel, Judged, LateInteraction, Shape

WIDTH = 16


def tokens(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, WIDTH, generator=generator), dim=-1)


@pytest.fixture(params=[*FAMILIES, "cross, 8 wide, aligned"])
def model(request: pytest.FixtureRequest) -> FusionModel:
    torch.manual_seed(3)
    family, wide, _ = request.param.partition(",")
    fusion = FusionModel(Shape(WIDTH, 2, family, width=8 if wide else None, align=bool(wide)))
    # the verdict starts at nothing; give it something to say
    torch.nn.init.normal_(fusion.cross.verdict[-1].weight)  # type: ignore[arg-type]
    return fusion.eval()


def test_the_soft_maximum_by_hand() -> None:
    late = LateInteraction(WIDTH)
    mean = (math.exp(10 * 0.5) + math.exp(10 * -0.5) + math.exp(10 * 0.1)) / 3
    found = late.soft_maximum(torch.tensor([0.5, -0.5, 0.1])).item()
    assert found == pytest.approx(math.log(mean) / 10, abs=1e-6)
    assert found < 0.5


def test_all_pairs_agrees_with_one_pair_at_a_time(model: FusionModel) -> None:
    words, cells = tokens(3, 5, seed=1), tokens(4, 9, seed=2)
    real = torch.arange(5) < torch.tensor([5, 2, 0])[:, None]
    together = model.late.all_pairs(words, real, cells)
    for n in range(3):
        for m in range(4):
            alone = model.late(words[n : n + 1], real[n : n + 1], cells[m : m + 1])
            assert together[n, m].item() == pytest.approx(alone.item(), abs=1e-6)
    assert together[2].tolist() == [0, 0, 0, 0]  # a text without words fits nothing


def test_padding_changes_nothing(model: FusionModel) -> None:
    words, cells = tokens(1, 4, seed=1), tokens(6, 9, seed=2)
    real = torch.ones(1, 4, dtype=torch.bool)
    padded = torch.cat([words, tokens(1, 3, seed=5)], 1)
    hidden = torch.arange(7)[None] < 4
    for short, long in zip(model(words, real, cells), model(padded, hidden, cells), strict=True):
        assert torch.allclose(short, long, atol=1e-5)


def test_one_side_is_shared_by_all_pairs(model: FusionModel) -> None:
    words, cells = tokens(1, 4, seed=1), tokens(6, 9, seed=2)
    real = torch.ones(1, 4, dtype=torch.bool)
    shared = model(words, real, cells)
    repeated = model(words.expand(6, -1, -1), real.expand(6, -1), cells)
    for one, many in zip(shared, repeated, strict=True):
        assert one.shape == (6,) and torch.allclose(one, many, atol=1e-5)
    for n in range(6):  # a pair alone goes by keys and values, many by their products with what asks
        for one, many in zip(model(words, real, cells[n : n + 1]), shared, strict=True):
            assert torch.allclose(one, many[n : n + 1], atol=1e-5)
    turned = model(tokens(5, 4, seed=3), torch.ones(5, 4, dtype=torch.bool), cells[:1])
    assert [part.shape for part in turned] == [(5,), (5,)]


def test_the_order_of_cells_does_not_matter_but_words_do(model: FusionModel) -> None:
    words, cells = tokens(1, 4, seed=1), tokens(2, 9, seed=2)
    real = torch.ones(1, 4, dtype=torch.bool)
    shuffled = cells[:, torch.randperm(9, generator=torch.Generator().manual_seed(1))]
    for plain, moved in zip(model(words, real, cells), model(words, real, shuffled), strict=True):
        assert torch.allclose(plain, moved, atol=1e-5)
    other = model(tokens(1, 4, seed=9), real, cells)
    assert not torch.allclose(model(words, real, cells)[1], other[1], atol=1e-3)


def test_attention_is_where_each_word_looked(model: FusionModel) -> None:
    words, cells = tokens(3, 5, seed=1), tokens(3, 9, seed=2)
    real = torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    _, _, maps, weights = Judged(model)(words, real, cells)
    assert maps.shape == (3, 5, 9) and torch.allclose(maps.sum(-1), torch.ones(3, 5), atol=1e-5)
    assert torch.allclose(weights.sum(-1), torch.ones(3), atol=1e-5) and weights[~real].abs().max() == 0
    assert weights[2].tolist() == [1, 0, 0, 0, 0]
    _, _, shared, _ = Judged(model)(words[:1], real[:1], cells)  # one text against three pictures
    assert torch.allclose(shared[0], maps[0], atol=1e-5)
    bright = cells.clone()
    bright[:, 4] = words[:, 0]  # the fourth cell becomes what the first word means
    _, _, looked, _ = Judged(model)(words, real, bright)
    assert (looked[:, 0, 4] > maps[:, 0, 4] + 0.1).all()


@pytest.mark.parametrize("family", ["two", "single"])
def test_streams_let_cells_hear_the_words(family: str) -> None:
    torch.manual_seed(0)
    judge = FusionModel(Shape(WIDTH, 1, family)).cross
    words, cells = tokens(1, 4, seed=1), tokens(1, 9, seed=2)
    real = torch.tensor([[True, True, True, False]])
    seen = judge.cell(cells)  # type: ignore[misc]
    fits = words @ cells.transpose(1, 2)
    _, after, _ = judge.layers[0](words, real, seen, fits)
    words = torch.cat([tokens(1, 3, seed=7), words[:, 3:]], 1)
    _, other, _ = judge.layers[0](words, real, seen, fits)
    assert not torch.allclose(after, other, atol=1e-4)
    padding = torch.cat([words[:, :3], tokens(1, 1, seed=8)], 1)
    _, same, _ = judge.layers[0](padding, real, seen, fits)
    assert torch.allclose(other, same, atol=1e-6)  # but not what is no word


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_judge_says_nothing_and_can_learn(family: str) -> None:
    torch.manual_seed(0)
    fusion = FusionModel(Shape(WIDTH, 2, family))
    words, cells = tokens(8, 4, seed=1), tokens(8, 9, seed=2)
    real = torch.ones(8, 4, dtype=torch.bool)
    assert fusion.cross(words, real, cells).abs().max() == 0
    wanted = torch.arange(8).float() % 2
    optimizer = torch.optim.Adam(fusion.cross.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.binary_cross_entropy_with_logits(fusion.cross(words, real, cells), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.1  # chance is log 2, 0.69
