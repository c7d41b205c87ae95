"""MiniEncoder: the embedded default model, two published towers under heads trained here.

The published weights come from the cache directory (`weights.py`); what training made, heads and
tuned last layers, is bundled with the package: safetensors (matrices in int8, a scale for each row;
all else float16) and a `config.json`.

`mini-de` is the same model with German word pieces in place of the English ones. Its pictures are
mini's to the last bit and its texts lie in the same space, so it has mini's stamp.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL.Image import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.encoders import mini_heads, mini_towers
from engine.encoders.bert import Unfilled
from engine.encoders.mini_heads import Head
from engine.encoders.mini_joint import DIALS, JOINT_DIM, Joint
from engine.encoders.mini_towers import ImageTower, TextTower, WordPieces
from engine.encoders.onnx_graph import Tower, fastest
from engine.encoders.weights import (
    IMAGE_TOWER,
    MANIFEST,
    TEXT_TOWER,
    TOKENIZER,
    bundled_mini,
    cache_directory,
    mini_weights,
)
from engine.fusion import CROSS, FusionModel, Shape
from engine.fusion_reranker import Blend, FusionReranker, direction
from engine.types import Encoded, Floats

CELLS = mini_towers.GRID**2
WORDS = mini_towers.TEXT_LIMIT - 2  # [CLS] and [SEP] are no words
IMAGE_BATCH = 4  # larger ones fall out of the processor's cache: 32 take twice as long a picture
TEXT_BATCH = 64
SCALE = "/scale"  # ends the name of the scales of a tensor's rows
T = TypeVar("T")


def load_mini(
    device: str = "cpu", bundle: Path | None = None, words: Path | None = None
) -> tuple[MiniEncoder, FusionReranker]:
    """Load the encoder and its reranker; raises `ModelUnavailable` where weights are missing.

    `words` is the folder of word pieces of another language than English.
    """
    folder = bundle or bundled_mini()
    trained = read_bundle(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    encoder = MiniEncoder(trained, device, words)
    family = config.get("family", CROSS)
    with Unfilled():
        fusion = FusionModel(Shape(mini_heads.TOKEN_DIM, config["depth"], family))
    _load(fusion, trained, "fusion.")
    blends = {direction(name): Blend(**values) for name, values in config["blends"].items()}
    stamp = _digest([encoder.stamp, json.dumps(config["blends"], sort_keys=True)])
    return encoder, FusionReranker(fusion.to(device), blends, encoder.word_spans, stamp)


class MiniEncoder:
    """EfficientNet-Lite2 and all-MiniLM-L6-v2 in one joint space."""

    dim = JOINT_DIM
    text_limit = mini_towers.TEXT_LIMIT

    def __init__(self, trained: dict[str, Tensor], device: str = "cpu", words: Path | None = None) -> None:
        folder = mini_weights()
        self.name = words.name if words else "mini"
        self._device = torch.device(device)
        self._image_tuned = {name: t for name, t in trained.items() if name.startswith("image_top.")}
        self._text = TextTower(load_file(folder / TEXT_TOWER))
        with Unfilled():
            self._image_head = Head(mini_towers.IMAGE_WIDTH)
            self._text_head = Head(mini_towers.TEXT_WIDTH)
            self._joint = Joint()
        self._pieces = WordPieces((words or folder) / TOKENIZER)
        _load(self._text.top, trained, "text_top.", partly=True)
        _load(self._image_head, trained, "image_head.")
        _load(self._text_head, trained, "text_head.")
        _load(self._joint, trained, "joint.")
        if words:
            self._text.learn(*_read_pieces(words))
        for part in (self._text, self._image_head, self._text_head, self._joint):
            part.to(self._device).eval()
        self.stamp = _digest([(folder / MANIFEST).read_text(encoding="utf-8"), _bundle_digest(trained)])

    @cached_property
    def _image(self) -> ImageTower:
        """The image tower, which is loaded when the first picture comes: a search by words needs none."""
        tower = ImageTower(load_file(mini_weights() / IMAGE_TOWER))
        _load(tower.top, self._image_tuned, "image_top.", partly=True)
        self._image_tuned = {}
        mini_towers.fold_batch_norms(tower)
        return tower.to(self._device).eval()

    @cached_property
    def _look(self) -> Tower:
        """What runs the image tower."""
        tower = self._image
        if self._device.type != "cpu":
            return tower
        example = torch.zeros(2, 3, mini_towers.SIDE, mini_towers.SIDE)
        return fastest(tower, example, cache_directory() / f"image-{_bundle_digest(tower.state_dict())}.onnx")

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
        real = (
            real & (real.cumsum(1) > 1) & (real.cumsum(1) < real.sum(1, keepdim=True))
        )  # no [CLS], no [SEP]
        with torch.inference_mode():
            found = self._text.embeddings.word_embeddings(ids.to(self._device)).cpu() * real[..., None]
        means: Floats = (found.sum(1) / real.sum(1, keepdim=True).clamp(min=1)).numpy()
        return means

    def _encode_images(self, images: Sequence[Image]) -> tuple[Tensor, Tensor, Tensor]:
        grid, means = self._look(mini_towers.pixels(images).to(self._device))
        real = torch.ones(grid.shape[:2], dtype=torch.bool, device=self._device)
        vectors, tokens = self._image_head(grid, real)
        return self._joint.pictures(vectors, means, self._image.classifier(means)), tokens, real.sum(1)

    def _encode_texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        ids, real = (tensor.to(self._device) for tensor in self._pieces.encode(texts))
        hidden = self._text.start(ids, real)
        vectors, tokens = self._text_head(self._text.finish(hidden, real), real)
        vectors = self._joint.texts(vectors, self._text.means(hidden, real))
        lengths = real.sum(1) - 2
        words = torch.zeros(len(texts), WORDS, tokens.shape[-1], device=self._device)
        for i, length in enumerate(lengths.tolist()):
            words[i, :length] = tokens[i, 1 : 1 + length]
        return vectors, words, lengths


def _in_batches(
    inputs: Sequence[T],
    size: int,
    positions: int,
    encode: Callable[[Sequence[T]], tuple[Tensor, Tensor, Tensor]],
) -> Encoded:
    """Encode inputs batch by batch and lay the results end to end."""
    vectors = np.empty((len(inputs), JOINT_DIM), np.float32)
    tokens = np.empty((len(inputs), positions, mini_heads.TOKEN_DIM), np.int8)
    lengths = np.empty(len(inputs), np.int16)
    with torch.inference_mode():
        for start in range(0, len(inputs), size):
            here = slice(start, min(len(inputs), start + size))
            found = encode(inputs[here])
            vectors[here] = found[0].cpu().numpy()
            tokens[here] = (found[1] * 127).round().to(torch.int8).cpu().numpy()
            lengths[here] = found[2].to(torch.int16).cpu().numpy()
    return Encoded(vectors, tokens, lengths)


def read_bundle(folder: Path) -> dict[str, Tensor]:
    """Read every tensor of a bundle as float32."""
    kept: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        kept.update(load_file(path))
    return unpacked(kept)


def unpacked(kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn tensors as they are kept into float32: int8 rows times their scales, the others as they are."""
    tensors = {}
    for name, tensor in kept.items():
        if tensor.dtype == torch.int8:
            scale = kept[name + SCALE].view(-1, *[1] * (tensor.ndim - 1))
            tensors[name] = tensor.float() * scale
        elif not name.endswith(SCALE):
            tensors[name] = tensor.float()
    return tensors


def _read_pieces(folder: Path) -> tuple[Tensor, Tensor]:
    """Read which English word pieces each piece of another language is made of, and their shares."""
    kept = load_file(folder / "pieces.safetensors")
    return kept["english"].long(), kept["shares"].float()


def _load(module: nn.Module, trained: dict[str, Tensor], prefix: str, partly: bool = False) -> None:
    """Load the tensors named with a prefix; `partly` lets the others stay as they are."""
    state = {name.removeprefix(prefix): t for name, t in trained.items() if name.startswith(prefix)}
    done = module.load_state_dict(state, strict=not partly, assign=True)
    assert not done.unexpected_keys, done.unexpected_keys


def _bundle_digest(trained: dict[str, Tensor]) -> str:
    return _digest(f"{name} {_tensor_digest(tensor)}" for name, tensor in sorted(trained.items()))


def _tensor_digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().view(-1).numpy().data).hexdigest()


def _digest(parts: Sequence[str] | Iterator[str]) -> str:
    """Make a stamp of what the vectors hang on, preprocessing included."""
    constants = (mini_towers.SIDE, mini_towers.MEAN, mini_towers.STD, mini_towers.TEXT_LIMIT, *DIALS)
    return hashlib.sha256("\n".join([repr(constants), *parts]).encode()).hexdigest()[:16]
