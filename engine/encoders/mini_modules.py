"""`mini` in torch: its towers, heads and fusion model put together, from published weights and a bundle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.encoders.bert import Unfilled
from engine.encoders.mini_bundle import PIECES, read_bundle
from engine.encoders.mini_heads import Head, merged
from engine.encoders.mini_joint import Joint
from engine.encoders.mini_shape import TOKEN_DIM
from engine.encoders.mini_towers import (
    IMAGE_WIDTH,
    NETWORKS,
    TEXT_WIDTH,
    ImageTower,
    TextTower,
    fold_batch_norms,
)
from engine.encoders.weights import IMAGE_TOWERS, TEXT_TOWER, mini_weights
from engine.fusion import CROSS, FusionModel, Judged, Shape
from engine.types import Floats


def image_tower(folder: Path) -> ImageTower:
    """Read the image tower, as published, from the folder of pulled weights."""
    return ImageTower([load_file(folder / name) for name in IMAGE_TOWERS])


class ImageSide(nn.Module):
    """From pixels to the joint space."""

    def __init__(self, tower: ImageTower, heads: Iterable[Head], joint: Joint) -> None:
        super().__init__()
        self.tower, self.heads, self.joint = tower, nn.ModuleList(heads), joint

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, 3, SIDE, SIDE) to vectors (n, JOINT_DIM) and tokens of the grid, row by row."""
        grids, means = self.tower(batch)
        vectors, tokens = merged(self.heads, grids)
        return self.joint.pictures(vectors, means, self.tower.classifiers(means)), tokens


class TextSide(nn.Module):
    """From word pieces to the joint space."""

    def __init__(self, tower: TextTower, head: Head, joint: Joint) -> None:
        super().__init__()
        self.tower, self.head, self.joint = tower, head, joint

    def forward(self, ids: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Map ids (n, t), with `real` (n, t) bool, to vectors (n, JOINT_DIM) and tokens (n, t, TOKEN_DIM)."""
        hidden = self.tower.start(ids, real)
        vectors, tokens = self.head(self.tower.finish(hidden, real), real)
        return self.joint.texts(vectors, self.tower.means(hidden, real)), tokens


class Modules:
    """The three parts, each made when it is first asked for.

    `words` is the folder of word pieces of another language than English.
    """

    def __init__(self, bundle: Path, words: Path | None) -> None:
        self._bundle, self._words = bundle, words

    @cached_property
    def image(self) -> ImageSide:
        """What reads pictures; a search by words needs none of it."""
        tower = image_tower(mini_weights(names=IMAGE_TOWERS))
        self._load(nn.ModuleList(sight.top for sight in tower.sights), "image_tops.", partly=True)
        fold_batch_norms(tower)
        heads = [self._head(f"image_heads.{k}.", IMAGE_WIDTH) for k in range(len(NETWORKS))]
        return ImageSide(tower, heads, self._joint).eval()

    @cached_property
    def text(self) -> TextSide:
        """What reads texts."""
        tower = TextTower(load_file(mini_weights(names=[TEXT_TOWER]) / TEXT_TOWER))
        self._load(tower.top, "text_top.", partly=True)
        if self._words:
            kept = load_file(self._words / PIECES)
            tower.learn(kept["english"].long(), kept["shares"].float())
        return TextSide(tower, self._head("text_head.", TEXT_WIDTH), self._joint).eval()

    @cached_property
    def judged(self) -> Judged:
        """What judges a text and a picture by their tokens."""
        config = json.loads((self._bundle / "config.json").read_text("utf-8"))
        with Unfilled():
            fusion = FusionModel(Shape(TOKEN_DIM, config["depth"], config.get("family", CROSS)))
        self._load(fusion, "fusion.")
        return Judged(fusion).eval()

    @cached_property
    def _joint(self) -> Joint:
        with Unfilled():
            joint = Joint()
        self._load(joint, "joint.")
        return joint

    def _head(self, prefix: str, width: int) -> Head:
        with Unfilled():
            head = Head(width)
        self._load(head, prefix)
        return head

    @cached_property
    def _trained(self) -> Mapping[str, Floats]:
        return read_bundle(self._bundle)

    def _load(self, module: nn.Module, prefix: str, partly: bool = False) -> None:
        """Load the tensors named with a prefix; `partly` lets the others stay as they are."""
        named = {name.removeprefix(prefix): t for name, t in self._trained.items() if name.startswith(prefix)}
        tensors = {name: torch.from_numpy(tensor) for name, tensor in named.items()}
        done = module.load_state_dict(tensors, strict=not partly, assign=True)
        assert not done.unexpected_keys, done.unexpected_keys
