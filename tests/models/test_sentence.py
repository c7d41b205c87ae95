"""Models of sentence-transformers as encoders and as rerankers of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import nn

from engine import ModelUnavailable, SearchEngine
from engine.models import list_models, load_model
from engine.rerankers import load_reranker

Saved = Callable[[str], Path]
TEXTS = ["a red dog", "the blue picture in snow"]


def test_a_model_of_both_makes_the_vectors_of_its_library(saved: Saved, photos: Path) -> None:
    images = [Image.open(path).convert("RGB") for path in sorted(photos.iterdir())]
    by_hand = SentenceTransformer(str(saved("clip")), device="cpu")

    encoder = load_model(f"st:{saved('clip')}", "cpu").encoder

    for made, expected in (
        (encoder.encode_text(TEXTS), by_hand.encode(TEXTS, normalize_embeddings=True)),
        (encoder.encode_image(images), by_hand.encode(images, normalize_embeddings=True)),
    ):
        np.testing.assert_allclose(made.vectors, expected, rtol=1e-5)
        assert (made.vectors.dtype, made.tokens, encoder.dim) == (np.float32, None, made.vectors.shape[1])
        np.testing.assert_allclose(np.linalg.norm(made.vectors, axis=1), 1, rtol=1e-5)
    assert encoder.encode_text([]).vectors.shape == (0, encoder.dim)
    assert encoder.text_limit < encoder.count_tokens("red " * 100)
    assert encoder.stamp == load_model(f"st:{saved('clip')}", "cpu").encoder.stamp
    assert "st:NAME_OR_PATH" in [model.key for model in list_models()]


def test_a_gallery_is_searched_by_it(saved: Saved, gallery: Path, photos: Path) -> None:
    with SearchEngine.open(gallery, model=f"st:{saved('clip')}", device="cpu") as engine:
        engine.add(sorted(photos.iterdir()))
        assert len(engine.search("a red dog", k=3)) == 3
    with SearchEngine.open(gallery, device="cpu") as engine:
        assert engine.model == f"st:{saved('clip')}"
        hit, *_ = engine.search('like:"' + (photos / "red.png").as_uri() + '"', k=1).hits
        assert hit.item.uri != (photos / "red.png").as_uri()


def test_a_cross_encoder_scores_as_it_does_by_hand(
    saved: Saved, engine: SearchEngine, gallery: Path, photos: Path
) -> None:
    images = {path.name: Image.open(path).convert("RGB") for path in photos.iterdir()}
    by_hand = CrossEncoder(str(saved("qwen")), device="cpu")
    pairs = [("a red dog", image) for image in images.values()]
    said = by_hand.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False)
    recalled = {hit.item.uri: hit.score for hit in engine.search("a red dog", k=8)}

    with SearchEngine.open(gallery, reranker=f"st:{saved('qwen')}", read_only=True, device="cpu") as again:
        found = again.search("a red dog", k=8)

    assert found.reranked
    expected = dict(zip(images, said.tolist(), strict=True))
    assert len(set(expected.values())) > 4
    for hit in found:
        name = hit.item.uri.rpartition("/")[2]
        assert hit.score == pytest.approx(recalled[hit.item.uri] + expected[name], abs=1e-3)


def test_models_that_do_not_read_pictures(saved: Saved, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="does not read images; an encoder reads texts and images"):
        load_model(f"st:{saved('bert')}", "cpu")
    for key in (f"st:{saved('bert')}", f"st:{tmp_path}/nowhere"):
        with pytest.raises(ModelUnavailable, match="reads text; a reranker of pictures|there is no model at"):
            load_reranker(key, "cpu")
