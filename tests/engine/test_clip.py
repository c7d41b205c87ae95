"""A real open_clip model, small and freshly made: our vectors are open_clip's own."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from engine import ModelUnavailable, SearchEngine
from engine.encoders.clip import ClipEncoder
from engine.models import load_model
from engine.types import Encoded, Floats

NAME = "crosslight-test"
CONFIG = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An open_clip key with a checkpoint made here."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / f"{NAME}.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model(NAME).state_dict(), folder / "weights.pt")
    return f"open_clip:{NAME}@{folder / 'weights.pt'}"


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    sizes = [(80, 50), (50, 90), (64, 64)]
    return [Image.fromarray(generator.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def theirs(key: str, pictures: list[Image.Image], texts: list[str]) -> tuple[Floats, Floats]:
    model, _, preprocess = open_clip.create_model_and_transforms(NAME, pretrained=key.partition("@")[2])
    model.eval()
    with torch.inference_mode():
        seen = model.encode_image(torch.stack([preprocess(p) for p in pictures]), normalize=True)
        read = model.encode_text(open_clip.get_tokenizer(NAME)(texts), normalize=True)
    return seen.numpy(), read.numpy()


def test_vectors_equal_open_clips_own(key: str, pictures: list[Image.Image]) -> None:
    texts = ["two dogs in the snow", "a red bus", "word " * 200]
    encoder = load_model(key, "cpu").encoder
    seen, read = theirs(key, pictures, texts)
    assert (encoder.dim, encoder.text_limit) == (48, 20)
    np.testing.assert_allclose(encoder.encode_image(pictures).vectors, seen, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_text(texts).vectors, read, atol=1e-5)
    assert encoder.encode_image([]).vectors.shape == (0, 48)
    assert encoder.count_tokens("two dogs") == 4  # with open_clip's start and end


def unit(tokens: Tensor) -> Tensor:
    return F.normalize(tokens.float(), dim=-1)


def alike(ours: Encoded, theirs: Tensor, other: Encoded, others: Tensor) -> None:
    """Tokens stand to one another as positions of the joint space do: a rotation changes nothing."""
    assert ours.tokens is not None and other.tokens is not None
    found = torch.from_numpy(ours.tokens / 127).flatten(0, 1) @ torch.from_numpy(other.tokens / 127)[0].T
    wanted = unit(theirs).flatten(0, 1) @ unit(others)[0].T
    assert (found - wanted).abs().max() < 0.05  # rounding to a byte
    assert wanted.std() > 0.05


def test_tokens_are_the_towers_own_positions(key: str, pictures: list[Image.Image]) -> None:
    encoder, texts = load_model(key, "cpu").encoder, ["two dogs", "a red unbelievableness of buses"]
    seen, read = encoder.encode_image(pictures), encoder.encode_text(texts)
    model, _, preprocess = open_clip.create_model_and_transforms(NAME, pretrained=key.partition("@")[2])
    with torch.inference_mode():
        embedded = model.visual._embeds(torch.stack([preprocess(p) for p in pictures]))
        cells = (model.visual.ln_post(model.visual.transformer(embedded)) @ model.visual.proj)[:, 1:]
        entered = model.token_embedding(open_clip.get_tokenizer(NAME)(texts)) + model.positional_embedding
        words = model.ln_final(model.transformer(entered, attn_mask=model.attn_mask)) @ model.text_projection
    alike(seen, cells, seen, cells)
    assert seen.tokens is not None and seen.tokens.shape == (3, 16, 48) and seen.tokens.dtype == np.int8
    assert read.tokens is not None and read.tokens.shape == (2, 18, 48) and read.lengths is not None
    assert read.lengths.tolist() == [2, encoder.count_tokens(texts[1]) - 2]
    assert not read.tokens[0, 2:].any()  # what is no word is zeros
    first = Encoded(read.vectors[:1], read.tokens[:1, :2])
    alike(first, words[:1, 1:3], seen, cells)


def test_words_cover_their_tokens(key: str) -> None:
    encoder = load_model(key, "cpu").encoder
    spans = encoder.word_spans("Zwei Füße, unbelievablenesses!")
    assert [word for word, _, _ in spans] == ["zwei", "füße", ",", "unbelievablenesses", "!"]
    assert spans[0][1] == 0 and all(a[2] == b[1] for a, b in pairwise(spans))
    assert spans[-1][2] == encoder.count_tokens("Zwei Füße, unbelievablenesses!") - 2
    assert any(stop - start > 1 for _, start, stop in spans)


@pytest.mark.parametrize(
    ("vision", "cells"),
    [
        ({"image_size": 64, "layers": 1, "width": 64, "head_width": 32, "patch_size": 4}, 81),  # 16 x 16
        ({"image_size": 96, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32}, 9),  # a ResNet
    ],
)
def test_tokens_fit_whatever_the_tower(
    vision: dict[str, object], cells: int, tmp_path: Path, pictures: list[Image.Image]
) -> None:
    name = f"crosslight-test-{cells}"
    (tmp_path / f"{name}.json").write_text(json.dumps({**CONFIG, "embed_dim": 160, "vision_cfg": vision}))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    torch.save(open_clip.create_model(name).state_dict(), tmp_path / "weights.pt")
    encoder = load_model(f"open_clip:{name}@{tmp_path / 'weights.pt'}", "cpu").encoder
    seen = encoder.encode_image(pictures)
    assert seen.tokens is not None and seen.tokens.shape == (3, cells, 128)
    assert seen.tokens[0].nbytes <= 12 * 1024
    np.testing.assert_allclose(np.linalg.norm(seen.tokens / 127, axis=-1), 1, atol=0.03)
    tokens = [encoder.encode_image(pictures[:1]).tokens, encoder.encode_image(pictures[1:2]).tokens]
    np.testing.assert_array_equal(np.concatenate([t for t in tokens if t is not None]), seen.tokens[:2])


def test_tokens_cost_no_second_pass(key: str, pictures: list[Image.Image]) -> None:
    encoder = ClipEncoder(key.partition(":")[2], "cpu")
    passes: list[int] = []
    for tower in (encoder._model.visual.transformer, encoder._model.transformer):
        tower.register_forward_hook(lambda *_: passes.append(1))
    encoder.encode_image(pictures)
    encoder.encode_text(["two dogs"])
    assert len(passes) == 2


def test_many_inputs_go_in_batches(key: str, pictures: list[Image.Image]) -> None:
    encoder = load_model(key, "cpu").encoder
    one = encoder.encode_image(pictures).vectors
    np.testing.assert_allclose(encoder.encode_image(pictures * 15).vectors, np.tile(one, (15, 1)), atol=1e-5)


def test_the_stamp_follows_the_weights(key: str, tmp_path: Path) -> None:
    first = load_model(key, "cpu").encoder.stamp
    assert load_model(key, "cpu").encoder.stamp == first
    weights = torch.load(key.partition("@")[2], weights_only=True)
    weights["logit_scale"] += 1
    torch.save(weights, tmp_path / "other.pt")
    assert load_model(f"open_clip:{NAME}@{tmp_path / 'other.pt'}", "cpu").encoder.stamp != first


def test_the_stamp_follows_the_recipe_of_the_tokens(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_model(key, "cpu").encoder.stamp
    monkeypatch.setattr("engine.encoders.clip.RECIPE", "another")
    assert load_model(key, "cpu").encoder.stamp != first


def test_a_gallery_of_an_open_clip_model(key: str, photos: Path, gallery: Path) -> None:
    with SearchEngine.open(gallery, model=key, device="cpu") as engine:
        engine.add(sorted(photos.iterdir()))
        result = engine.search("a red square")
        assert len(result) == 8 and not result.reranked
    with SearchEngine.open(gallery, device="cpu") as again:
        assert again.model == key and len(again.search("a red square")) == 8


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("open_clip", "no model 'open_clip'; there are"),
        ("open_clip:ViT-B-32", "names no weights; write open_clip:NAME/TAG or"),
        ("open_clip:ViT-B-33/openai", "open_clip has no model 'ViT-B-33'"),
        ("open_clip:ViT-B-32/nowhere", "no weights 'nowhere' for ViT-B-32; it has .*laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32@/no/such/file.pt", "there is no checkpoint at /no/such/file.pt"),
    ],
)
def test_a_key_that_cannot_be_loaded(bad: str, reason: str) -> None:
    with pytest.raises(ModelUnavailable, match=reason):
        load_model(bad, "cpu")


def test_a_checkpoint_that_is_damaged(key: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    path.write_bytes(Path(key.partition("@")[2]).read_bytes()[:5000])
    with pytest.raises(ModelUnavailable, match=f"cannot load the weights '{path}' of {NAME}"):
        load_model(f"open_clip:{NAME}@{path}", "cpu")
    with pytest.raises(ModelUnavailable, match="cannot load the weights"):
        load_model(f"open_clip:ViT-B-16@{key.partition('@')[2]}", "cpu")


def test_a_tag_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="where no hub can be reached, use open_clip:ViT-B-32@"):
        load_model("open_clip:ViT-B-32/laion2b_s34b_b79k", "cpu")
