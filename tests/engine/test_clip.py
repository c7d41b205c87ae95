"""A real open_clip model, small and freshly made: our vectors are open_clip's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from engine import ModelUnavailable, SearchEngine
from engine.models import load_model
from engine.types import Floats

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
