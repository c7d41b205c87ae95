"""Models of sentence-transformers as encoders and as rerankers of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import CrossEncoder, SentenceTransformer
from torch import nn

from engine import Item, ModelUnavailable, Part, Query, SearchEngine
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


def test_a_sentence_model_reads_the_texts_of_another_too(saved: Saved, gallery: Path, photos: Path) -> None:
    key = f"st:{saved('clip')}+st:{saved('bert')}"
    base, reader = load_model(f"st:{saved('clip')}", "cpu").encoder, SentenceTransformer(str(saved("bert")))
    images = [Image.open(path).convert("RGB") for path in sorted(photos.iterdir())]

    encoder = load_model(key, "cpu").encoder

    texts, pictures = encoder.encode_text(TEXTS).vectors, encoder.encode_image(images).vectors
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, rtol=1e-5)
    own = base.encode_text(TEXTS).vectors
    np.testing.assert_allclose(
        pictures @ texts.T, 0.5**0.5 * base.encode_image(images).vectors @ own.T, atol=1e-6
    )
    reread = reader.encode(TEXTS, normalize_embeddings=True)
    assert texts[0] @ texts[1] == pytest.approx(own[0] @ own[1] / 2 + reread[0] @ reread[1] / 2, abs=1e-5)
    assert (encoder.name, encoder.dim) == (key, base.dim + reread.shape[1]) and encoder.stamp != base.stamp
    with SearchEngine.open(gallery, model=key, device="cpu") as engine:
        engine.add([*sorted(photos.iterdir()), Item("note:1", "text", TEXTS[1])])
        assert engine.search(Query((Part(text=TEXTS[1]),), "text"), k=1)[0].item.uri == "note:1"
    with SearchEngine.open(gallery, device="cpu") as engine:
        assert engine.model == key and len(engine.search("a red dog", k=3)) == 3


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
    with pytest.raises(ModelUnavailable, match=r"does not read images; an encoder reads .*: MODEL\+st"):
        load_model(f"st:{saved('bert')}", "cpu")
    with pytest.raises(ModelUnavailable, match=r"mini has a reranker .* can stand beside a model without"):
        load_model(f"mini+st:{saved('bert')}", "cpu")
    with pytest.raises(ModelUnavailable, match="there is no model at"):
        load_model(f"st:{saved('clip')}+st:{tmp_path}/nowhere", "cpu")
    for key in (f"st:{saved('bert')}", f"st:{tmp_path}/nowhere"):
        with pytest.raises(ModelUnavailable, match="reads text; a reranker of pictures|there is no model at"):
            load_reranker(key, "cpu")
