"""The two towers of `mini`: three networks of EfficientNet-Lite for pictures, all-MiniLM-L6-v2 for words.

The networks learned from the same photographs by themselves and err on others, so the three together see
more than any of them.

Each network, and the language model, is cut in two. The first part is frozen as published; the last (for
pictures, two stages and a convolution; for words, three layers) is there twice: as published, and as
`top`, which may be replaced by tuned weights. What lies between is small, so training keeps it on disk
and never runs the first twice.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.encoders.bert import Bert, BertShape, Unfilled

IMAGE_WIDTH = 1280
NETWORKS = ("tf_efficientnet_lite2", "tf_efficientnet_lite1", "tf_efficientnet_lite0")
MEANS_WIDTH = len(NETWORKS) * IMAGE_WIDTH
CLASSES = 1000  # of ImageNet
TEXT_WIDTH = 384
TEXT_FROZEN = 3  # of the six layers
MINILM = BertShape(TEXT_WIDTH, layers=6, heads=12, inner=1536)


class Sight(nn.Module):
    """One network (Tan & Le, arXiv 1905.11946) that looks at pictures; `network` is timm's."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        blocks = list(network.blocks)
        self.stem = nn.Sequential(network.conv_stem, network.bn1, *blocks[:5])
        self.top = nn.Sequential(*blocks[5:], network.conv_head, network.bn2)
        self.published = copy.deepcopy(self.top).requires_grad_(False)

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, 3, SIDE, SIDE) to what `grid` and `means` make of it."""
        activations = self.stem(batch)
        return self.grid(activations), self.means(activations)

    def grid(self, activations: Tensor) -> Tensor:
        """Map the stem's output (n, channels, 17, 17) to the grid (n, GRID * GRID, IMAGE_WIDTH)."""
        cells: Tensor = self.top(activations)  # (n, IMAGE_WIDTH, GRID, GRID)
        return cells.permute(0, 2, 3, 1).flatten(1, 2)

    def means(self, activations: Tensor) -> Tensor:
        """Map the stem's output to the published network's mean over its grid: (n, IMAGE_WIDTH)."""
        cells: Tensor = self.published(activations)
        return cells.float().mean((2, 3))


class ImageTower(nn.Module):
    """The networks side by side; `weights` are those of each of NETWORKS."""

    def __init__(self, weights: Sequence[Mapping[str, Tensor]]) -> None:
        import timm  # a third of what a first search would load, and no text needs it

        super().__init__()
        networks: list[Any] = [timm.create_model(name, pretrained=False) for name in NETWORKS]
        for network, own in zip(networks, weights, strict=True):
            network.load_state_dict(dict(own))
        self.classifiers = Classifiers([network.classifier for network in networks])
        self.sights: Any = nn.ModuleList(map(Sight, networks))
        self.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, 3, SIDE, SIDE) to grids (networks, n, GRID * GRID, IMAGE_WIDTH), means (n, MEANS_WIDTH)."""
        grids, means = zip(*[sight(batch) for sight in self.sights], strict=True)
        return torch.stack(grids), torch.cat(means, 1)


class Classifiers(nn.Module):
    """What the published networks say that a picture shows, each by its own mean."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts).requires_grad_(False)

    def forward(self, means: Tensor) -> Tensor:
        """Map (n, MEANS_WIDTH) to probabilities of the classes, the mean of all networks': (n, CLASSES)."""
        return self.each(means).mean(0)

    def each(self, means: Tensor) -> Tensor:
        """Map (n, MEANS_WIDTH) to those of each network: (NETWORKS, n, CLASSES)."""
        own = zip(self.parts, torch.split(means, IMAGE_WIDTH, 1), strict=True)
        return torch.stack([part(mean).softmax(1) for part, mean in own])


def fold_batch_norms(tower: ImageTower) -> None:
    """Fold each batch norm into the convolution before it: the same numbers in half the time."""
    for module in list(tower.modules()):
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(
                    module, norm_name, getattr(norm, "act", nn.Identity())
                )  # timm's norms hold the activation
    tower.to(memory_format=torch.channels_last)


class TextTower(nn.Module):
    """all-MiniLM-L6-v2 (arXiv 2002.10957, tuned by sentence-transformers), without its pooling.

    `bottom` is frozen as published; `top`, its last layers, may be replaced by tuned weights, and is
    there as `published` too.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        with Unfilled():
            model = Bert(MINILM)
        names = set(model.state_dict())
        kept = {name: tensor for name, tensor in weights.items() if name in names}
        model.load_state_dict(kept, assign=True)
        self.embeddings = model.embeddings
        self.bottom, self.top = model.encoder.layer[:TEXT_FROZEN], model.encoder.layer[TEXT_FROZEN:]
        self.published = copy.deepcopy(self.top).requires_grad_(False)
        self.eval()

    def learn(self, english: Tensor, shares: Tensor) -> None:
        """Take other word pieces in place of the published ones, each a mixture of these: (pieces, n)."""
        published = self.embeddings.word_embeddings.weight
        pieces = F.embedding_bag(english, published, per_sample_weights=shares, mode="sum").detach()
        self.embeddings.word_embeddings = nn.Embedding.from_pretrained(pieces)  # type: ignore[no-untyped-call]

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        """Map ids (n, t), with `real` (n, t) bool, to hidden states (n, t, TEXT_WIDTH)."""
        return self.finish(self.start(ids, real), real)

    def start(self, ids: Tensor, real: Tensor) -> Tensor:
        """Run the frozen part alone."""
        hidden: Tensor = self.embeddings(ids)
        for layer in self.bottom:
            hidden = layer(hidden, real[:, None, None, :])
        return hidden

    def finish(self, hidden: Tensor, real: Tensor) -> Tensor:
        """Run the rest on what `start` gave."""
        for layer in self.top:
            hidden = layer(hidden, real[:, None, None, :])
        return hidden

    def means(self, hidden: Tensor, real: Tensor) -> Tensor:
        """Map what `start` gave to the published model's sentence vectors: (n, TEXT_WIDTH), unit."""
        for layer in self.published:
            hidden = layer(hidden, real[:, None, None, :])
        share = real[..., None] / real.sum(1)[:, None, None]
        return F.normalize((hidden.float() * share).sum(1), dim=-1)
