"""MiniEncoder: the embedded default model, published towers under heads trained here.

The published weights come from the cache directory (`weights.py`); what training made, heads and
tuned last layers, is bundled with the package (`mini_bundle.py`). What runs them on a CPU are graphs,
where these are kept beside the weights (`onnx_graph.py`), else torch, which is loaded then.

`mini-de` is the same model with German word pieces in place of the English ones. Its pictures are
mini's to the last bit and its texts lie in the same space, so it has mini's stamp.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np
from PIL.Image import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from engine.encoders.mini_bundle import PIECES, bundle_digest, digest, read_bundle
from engine.encoders.mini_shape import GRID, JOINT_DIM, SIDE, TEXT_LIMIT, TOKEN_DIM, WordPieces, pixels
from engine.encoders.onnx_graph import Example, Run, by_torch, kept_graph, make_graph
from engine.encoders.weights import (
    MANIFEST,
    TEXT_TOWER,
    TOKENIZER,
    bundled_mini,
    cache_directory,
    mini_weights,
)
from engine.fusion_reranker import Blend, FusionReranker, direction
from engine.types import Encoded, Floats, Ids

if TYPE_CHECKING:
    from engine.encoders.mini_modules import Modules

CELLS = GRID**2
WORDS = TEXT_LIMIT - 2  # [CLS] and [SEP] are no words
IMAGE_BATCH = 4  # larger ones fall out of the processor's cache: 32 take twice as long a picture
TEXT_BATCH = 64
GRAPHS = 2  # of the modules as they are now: another number where they give something else
T = TypeVar("T")
Part: TypeAlias = Literal["image", "text", "judged"]
EXAMPLES: Mapping[Part, Example] = {
    "image": Example([np.zeros((2, 3, SIDE, SIDE), np.float32)], [{0: "n"}]),
    "text": Example([np.ones((2, 5), np.int64), np.ones((2, 5), bool)], [{0: "n", 1: "t"}] * 2),
    "judged": Example(
        [
            np.ones((2, 5, TOKEN_DIM), np.float32),
            np.ones((2, 5), bool),
            np.ones((2, CELLS, TOKEN_DIM), np.float32),
        ],
        [{0: "n", 1: "t"}, {0: "n", 1: "t"}, {0: "n"}],
    ),
}


def load_mini(
    device: str = "cpu", bundle: Path | None = None, words: Path | None = None
) -> tuple[MiniEncoder, FusionReranker]:
    """Load the encoder and its reranker; raises `ModelUnavailable` where weights are missing.

    `words` is the folder of word pieces of another language than English.
    """
    parts = Parts(device, bundle, words)
    encoder = MiniEncoder(parts)
    config = json.loads((parts.bundle / "config.json").read_text(encoding="utf-8"))
    blends = {direction(name): Blend(**values) for name, values in config["blends"].items()}
    stamp = digest([encoder.stamp, json.dumps(config["blends"], sort_keys=True)])
    reranker = FusionReranker(
        lambda *sides: parts.judged(*sides),
        lambda: parts.modules.judged.model,
        blends,
        encoder.word_spans,
        stamp,
    )
    return encoder, reranker


class Parts:
    """What runs the three parts of `mini`, each found when it is first needed."""

    def __init__(self, device: str, bundle: Path | None, words: Path | None) -> None:
        folder = mini_weights(names=[TOKENIZER])  # the towers are checked where they are read
        self.device = device
        self.bundle = bundle or bundled_mini()
        self.words = words
        self.tokenizer = (words or folder) / TOKENIZER
        self.stamp = digest(
            [(folder / MANIFEST).read_text(encoding="utf-8"), bundle_digest(read_bundle(self.bundle))]
        )
        self._has_graphs = device == "cpu" and bundle is None

    @cached_property
    def modules(self) -> Modules:
        """The parts in torch."""
        from engine.encoders.mini_modules import Modules

        return Modules(self.bundle, self.words)

    @cached_property
    def image(self) -> Run:
        """Pixels to vectors and tokens. Whoever reads pictures has the time to make graphs first."""
        graph = self._graph("image")
        if graph is None:
            self.make_graphs()
        return graph or self._found("image")

    @cached_property
    def text(self) -> Run:
        """Word pieces, and which are real, to vectors and tokens."""
        return self._found("text")

    @cached_property
    def judged(self) -> Run:
        """See `engine.fusion.Judged`."""
        return self._found("judged")

    def make_graphs(self, progress: Callable[[str], None] = lambda _line: None) -> None:
        """Make the graphs that are not kept yet, or cannot be read."""
        for part, example in EXAMPLES.items():
            if self._has_graphs and self._graph(part) is None:
                kept = self._kept(part)
                progress(f"making {kept.name}, which ONNX Runtime runs: some ten seconds")
                make_graph(getattr(self.modules, part), example, kept)

    def _found(self, part: Part) -> Run:
        return self._graph(part) or by_torch(getattr(self.modules, part), self.device)

    def _graph(self, part: Part) -> Run | None:
        return kept_graph(self._kept(part)) if self._has_graphs else None

    def _kept(self, part: Part) -> Path:
        """Name a graph after all that it hangs on."""
        name, own = str(part), ""
        if self.words and part == "text":
            name, own = f"{self.words.name}-text", sha256((self.words / PIECES).read_bytes()).hexdigest()
        return cache_directory() / f"{name}-{digest([self.stamp, own, str(GRAPHS)])}"


class MiniEncoder:
    """EfficientNet-Lite and all-MiniLM-L6-v2 in one joint space."""

    dim = JOINT_DIM
    text_limit = TEXT_LIMIT

    def __init__(self, parts: Parts) -> None:
        self.name = parts.words.name if parts.words else "mini"
        self.stamp = parts.stamp
        self._parts = parts
        self._pieces = WordPieces(parts.tokenizer)

    def encode_image(self, images: Sequence[Image]) -> Encoded:
        """Encode upright RGB pictures; the grid of tokens covers the whole picture, row by row."""
        return _in_batches(images, IMAGE_BATCH, CELLS, self._encode_images)

    def encode_text(self, texts: Sequence[str]) -> Encoded:
        """Encode texts; a token is a word piece, and one past `text_limit` is cut."""
        return _in_batches(texts, TEXT_BATCH, WORDS, self._encode_texts)

    def count_tokens(self, text: str) -> int:
        """Count the word pieces of a text, uncut, with the two that mark its ends."""
        return self._pieces.count(text)

    def word_spans(self, text: str) -> list[tuple[str, int, int]]:
        """List the words of a text, each with the tokens it covers: (word, start, stop)."""
        return self._pieces.spans(text)

    def word_inputs(self, words: Sequence[str]) -> Floats:
        """Return what the text tower starts from: the mean embedding of each word's pieces, (n, 384)."""
        ids, real = self._pieces.encode(words)
        places = real.cumsum(1)
        real = real & (places > 1) & (places < real.sum(1, keepdims=True))  # no [CLS], no [SEP]
        found = self._embedded(ids) * real[..., None]
        means: Floats = found.sum(1) / real.sum(1, keepdims=True).clip(min=1).astype(np.float32)
        return means

    def _embedded(self, ids: Ids) -> Floats:
        """Return the embeddings of word pieces (n, t, 384); those of another language mix English ones."""
        if self._mixed is None:
            return self._embeddings[ids]
        english, shares = self._mixed
        mixed: Floats = np.einsum("nts,ntsd->ntd", shares[ids], self._embeddings[english[ids]])
        return mixed

    @cached_property
    def _embeddings(self) -> Floats:
        with safe_open(mini_weights(names=[TEXT_TOWER]) / TEXT_TOWER, "numpy") as tower:
            embeddings: Floats = tower.get_tensor("embeddings.word_embeddings.weight")
        return embeddings

    @cached_property
    def _mixed(self) -> tuple[Ids, Floats] | None:
        """Which English pieces each piece of another language is made of, and their shares: (pieces, s)."""
        if self._parts.words is None:
            return None
        kept = load_file(self._parts.words / PIECES)
        return kept["english"].astype(np.int64), kept["shares"].astype(np.float32)

    def _encode_images(self, images: Sequence[Image]) -> tuple[Floats, Floats, Ids]:
        vectors, tokens = self._parts.image(pixels(images))
        return vectors, tokens, np.full(len(images), CELLS)

    def _encode_texts(self, texts: Sequence[str]) -> tuple[Floats, Floats, Ids]:
        ids, real = self._pieces.encode(texts)
        vectors, tokens = self._parts.text(ids, real)
        lengths = real.sum(1) - 2
        words = np.zeros((len(texts), WORDS, TOKEN_DIM), np.float32)
        for own, made, length in zip(words, tokens, lengths.tolist(), strict=True):
            own[:length] = made[1 : 1 + length]
        return vectors, words, lengths


def _in_batches(
    inputs: Sequence[T],
    size: int,
    positions: int,
    encode: Callable[[Sequence[T]], tuple[Floats, Floats, Ids]],
) -> Encoded:
    """Encode inputs batch by batch and lay the results end to end."""
    vectors = np.empty((len(inputs), JOINT_DIM), np.float32)
    tokens = np.empty((len(inputs), positions, TOKEN_DIM), np.int8)
    lengths = np.empty(len(inputs), np.int16)
    for start in range(0, len(inputs), size):
        here = slice(start, min(len(inputs), start + size))
        vectors[here], made, lengths[here] = encode(inputs[here])
        tokens[here] = np.rint(made * 127)
    return Encoded(vectors, tokens, lengths)
