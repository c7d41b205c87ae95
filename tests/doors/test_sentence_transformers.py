"""Crosslight's models where sentence-transformers' are called, held against the package's own methods."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api.adapters.sentence_transformers import CrossEncoder, Encoder

RED, BLUE = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")


def test_texts_and_pictures_are_encoded_in_their_order() -> None:
    encoder = Encoder("color")
    vectors = encoder.encode(["red", BLUE, "blue", RED], batch_size=1)
    assert vectors.shape == (4, encoder.get_sentence_embedding_dimension())
    cosines = encoder.similarity(vectors, vectors)
    assert cosines[0].argsort().tolist()[-2:] in ([3, 0], [0, 3])
    assert np.array_equal(encoder.encode("blue"), vectors[2])


def test_pairs_without_a_reranker_are_scored_by_cosine() -> None:
    scores = CrossEncoder("color").predict([("red", RED), ("blue", RED), ("red", BLUE), (RED, "red")])
    assert scores.shape == (4,)
    assert scores[0] == pytest.approx(1, abs=1e-3) and scores[3] == pytest.approx(1, abs=1e-3)
    assert scores[0] > scores[1] and scores[0] > scores[2]


@pytest.mark.mini
def test_the_reranker_orders_photographs(photographs: list[Path]) -> None:
    judge = CrossEncoder("mini", device="cpu")
    images = [Image.open(path) for path in photographs]
    (wall, pagoda) = (1, 0)
    ranked = judge.rank("a brick wall", images, top_k=2, return_documents=True)
    assert [one["corpus_id"] for one in ranked][0] == wall
    assert ranked[0]["text"] is images[wall]
    scores = judge.predict([("a brick wall", images[pagoda]), ("a brick wall", images[wall])])
    assert scores[1] == pytest.approx(ranked[0]["score"], abs=1e-4) and scores[1] > scores[0]


def test_it_does_not_need_the_package() -> None:
    code = "import sys, api.adapters.sentence_transformers; print('sentence_transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.filterwarnings("ignore")
def test_its_parameters_are_the_packages() -> None:
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed")
    import sentence_transformers as package

    pairs = [
        (Encoder.encode, package.SentenceTransformer.encode, ["batch_size"]),
        (CrossEncoder.rank, package.CrossEncoder.rank, ["query", "documents", "top_k", "return_documents"]),
    ]
    for own, theirs, names in pairs:
        ours, known = inspect.signature(own).parameters, inspect.signature(theirs).parameters
        assert set(names) <= set(ours) and set(names) <= set(known)
    encoder = Encoder("color")
    found = package.util.semantic_search(encoder.encode(["red"]), encoder.encode([BLUE, RED]), top_k=1)
    assert found[0][0]["corpus_id"] == 1
