"""The bundled model: what it promises of vectors, tokens and words, and that it sees something."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from engine import SearchEngine
from engine.encoders.mini import MiniEncoder, load_mini
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_shape import WordPieces
from engine.encoders.mini_towers import (
    IMAGE_WIDTH,
    MEANS_WIDTH,
    MINILM,
    NETWORKS,
    TextTower,
    fold_batch_norms,
)
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, bundled_mini, mini_weights
from engine.rerank import Candidates, Read

pytestmark = pytest.mark.mini

TEXTS = ["a dog", "two women are skateboarding down the hill, quickly", "", "snow " * 100]


@pytest.fixture(scope="module")
def encoder() -> Iterator[MiniEncoder]:
    yield load_mini()[0]


def disc(color: str, ground: str, size: tuple[int, int] = (200, 150)) -> Image.Image:
    image = Image.new("RGB", size, ground)
    ImageDraw.Draw(image).ellipse((20, 20, 90, 90), fill=color)
    return image


def test_vectors_are_unit_and_tokens_quantized_unit(encoder: MiniEncoder) -> None:
    encoded = encoder.encode_image([disc("red", "white"), disc("blue", "green", (33, 400))])
    assert encoded.vectors.dtype == np.float32 and encoded.vectors.shape == (2, encoder.dim)
    assert np.linalg.norm(encoded.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoded.tokens is not None and encoded.lengths is not None
    assert encoded.tokens.dtype == np.int8 and encoded.tokens.shape[1] == 81
    # rounding moves each of the 128 numbers by half a unit of 127 at most
    assert np.linalg.norm(encoded.tokens.astype(float), axis=2) == pytest.approx(127, abs=6)
    assert encoded.lengths.tolist() == [81, 81]
    assert encoded.tokens[0].nbytes <= 12 * 1024


def test_an_encoding_does_not_hang_on_its_batch(encoder: MiniEncoder) -> None:
    images = [disc(color, "white") for color in ("red", "green", "blue", "yellow", "black")]
    alone = encoder.encode_image(images[3:4]).vectors
    assert alone[0] == pytest.approx(encoder.encode_image(images).vectors[3], abs=1e-5)
    alone = encoder.encode_text(TEXTS[:1]).vectors
    assert alone[0] == pytest.approx(encoder.encode_text(TEXTS).vectors[0], abs=1e-5)


def test_nothing_in_nothing_out(encoder: MiniEncoder) -> None:
    assert encoder.encode_image([]).vectors.shape == (0, encoder.dim)
    assert encoder.encode_text([]).vectors.shape == (0, encoder.dim)


def test_text_lengths_count_word_pieces_up_to_the_limit(encoder: MiniEncoder) -> None:
    encoded = encoder.encode_text(TEXTS)
    assert encoded.lengths is not None and encoded.tokens is not None
    assert [encoder.count_tokens(text) for text in TEXTS] == [4, 12, 2, 102]
    assert encoded.lengths.tolist() == [2, 10, 0, encoder.text_limit - 2]
    for tokens, length in zip(encoded.tokens, encoded.lengths, strict=True):
        assert not tokens[length:].any() and tokens[:length].any(axis=1).all()
    assert encoded.tokens[0].nbytes <= 12 * 1024


def test_words_cover_their_pieces(encoder: MiniEncoder) -> None:
    spans = encoder.word_spans(TEXTS[1])
    assert ("skateboarding", 3, 5) in spans  # two word pieces
    assert [word for word, _, _ in spans][:3] == ["two", "women", "are"]
    assert [start for _, start, _ in spans[1:]] == [stop for _, _, stop in spans[:-1]]
    assert spans[-1][2] == encoder.count_tokens(TEXTS[1]) - 2
    assert encoder.word_spans("") == []
    assert encoder.word_spans("Æther naïve") == [("Æther", 0, 2), ("naïve", 2, 3)]


def test_a_mirror_image_mirrors_the_tokens(encoder: MiniEncoder) -> None:
    # the grid covers the whole picture, row by row: what is on the left stays apart from the right
    image = disc("red", "white")
    tokens = encoder.encode_image([image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]).tokens
    assert tokens is not None
    grids = tokens.reshape(2, 9, 9, -1).astype(float) / 127
    straight = (grids[0] * grids[1]).sum(-1).mean()
    mirrored = (grids[0] * grids[1][:, ::-1]).sum(-1).mean()
    assert mirrored > straight


def test_it_tells_simple_things_apart(encoder: MiniEncoder) -> None:
    # plain colors are what a drawn picture can show; real photographs are measured in training
    colors = ["red", "green", "blue", "yellow"]
    pictures = encoder.encode_image([Image.new("RGB", (64, 64), color) for color in colors]).vectors
    texts = encoder.encode_text([f"something {color}" for color in colors]).vectors
    scores = texts @ pictures.T
    own = np.diag(scores).mean()
    others = (scores.sum() - np.trace(scores)) / 12
    assert own > others


def test_folding_batch_norms_changes_no_number() -> None:
    tower = image_tower(mini_weights())
    batch = torch.rand(1, 3, 260, 260, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before, means = tower(batch)
        fold_batch_norms(tower)
        after, after_means = tower(batch)
    assert before.shape == (len(NETWORKS), 1, 81, IMAGE_WIDTH) and means.shape == (1, MEANS_WIDTH)
    assert not [m for m in tower.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert torch.allclose(before, after, atol=1e-3) and torch.allclose(means, after_means, atol=1e-3)


def test_graphs_say_what_torch_says() -> None:
    photos = [disc("red", "white"), disc("blue", "green"), disc("white", "black", (33, 400))]
    (by_graph, judge), (torchs, judge_by_torch) = load_mini(), load_mini(bundle=bundled_mini())
    pictures = by_graph.encode_image(photos)  # makes the graphs where there are none yet
    for made, expected in (
        (pictures, torchs.encode_image(photos)),
        (by_graph.encode_text(TEXTS), torchs.encode_text(TEXTS)),
    ):
        assert np.allclose(made.vectors, expected.vectors, atol=1e-5)
        assert made.tokens is not None and expected.tokens is not None
        assert np.abs(made.tokens.astype(int) - expected.tokens).max() <= 1
    assert pictures.tokens is not None and pictures.lengths is not None
    candidates = Candidates("image", np.arange(3), np.ones(3, np.float32), pictures.tokens, pictures.lengths)
    for text in TEXTS[:3]:
        query = Read("text", text, by_graph.encode_text([text]))
        ours, theirs = (one.score(query, candidates) for one in (judge, judge_by_torch))
        for name, part in ours.items():
            assert np.allclose(part, theirs[name], atol=1e-5)


def test_the_text_tower_is_the_published_model() -> None:
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    weights = load_file(mini_weights() / TEXT_TOWER)
    shape = BertConfig(
        hidden_size=MINILM.width,
        num_hidden_layers=MINILM.layers,
        num_attention_heads=MINILM.heads,
        intermediate_size=MINILM.inner,
    )
    published = BertModel(shape, add_pooling_layer=False).train(False)
    published.load_state_dict({name: weights[name] for name in published.state_dict()})
    pieces = WordPieces(mini_weights() / TOKENIZER).encode(TEXTS[:2])
    ids, real = map(torch.from_numpy, pieces)
    with torch.inference_mode():
        ours = TextTower(weights)(ids, real)
        theirs = published(ids, attention_mask=real.long()).last_hidden_state
    assert torch.allclose(ours[real], theirs[real], atol=1e-5)
    assert ids[0, :4].tolist() == [101, 1037, 3899, 102]  # [CLS] a dog [SEP]


def test_without_graphs_torch_says_the_same_and_a_text_makes_none(
    encoder: MiniEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encoder.encode_text(TEXTS)
    shutil.copytree(mini_weights(), tmp_path / "mini", ignore=shutil.ignore_patterns("*.onnx"))
    monkeypatch.setenv("CROSSLIGHT_CACHE", str(tmp_path))
    found = load_mini()[0].encode_text(TEXTS)
    assert np.allclose(found.vectors, expected.vectors, atol=1e-5)
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_search_loads_no_torch_and_a_new_bundle_no_image_tower(tmp_path: Path) -> None:
    with SearchEngine.open(tmp_path / "a.gallery", model="mini") as engine:
        for color in ("red", "blue"):
            disc(color, "white").save(tmp_path / f"{color}.png")
        engine.add(sorted(tmp_path.glob("*.png")))
    search = (
        "import sys; from engine import SearchEngine\n"
        "with SearchEngine.open(sys.argv[1]) as engine:\n"
        "    found = engine.search('something red', explain=True)\n"
        "assert found.reranked and not {'torch', 'timm', 'transformers'} & set(sys.modules)"
    )
    texts_by_torch = (
        "import sys; from engine.encoders.mini import load_mini\n"
        "from engine.encoders.weights import bundled_mini\n"
        "encoder, _ = load_mini(bundle=bundled_mini()); encoder.encode_text(['a dog'])\n"
        "assert not {'timm', 'transformers', 'torchvision', 'torch._dynamo'} & set(sys.modules)"
    )
    for script in (search, texts_by_torch):
        command = [sys.executable, "-c", script, str(tmp_path / "a.gallery")]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
