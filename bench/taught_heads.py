"""Distillation from the fusion model to the heads of recall: does what it judges teach them anything?

    python -m bench.taught_heads --data DIR --cache DIR --work DIR [--seeds 3]

The plain heads (training/plain.py) learn as they do for `mini`, from one view, and beside that from lists: a
caption of Flickr8k train and the LIST pictures that the shipped heads find first for it. What a list teaches
is a distribution over its pictures (KL divergence): the right one alone, the shipped heads' own cosines, or
the shipped fusion model's verdicts (arXiv 1503.02531). --cache and --work are those of `bench.fusion`, whose
tokens this reads. Recall is that of all captions of Flickr8k val, of the plain heads alone and beside the
shipped vectors, as `mini` adds them up. Prints a table of Markdown.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from bench.fusion import galleries, shipped
from bench.machine import describe
from engine.encoders.mini_joint import Joint
from engine.encoders.mini_modules import Modules, image_tower
from engine.encoders.mini_shape import PLAIN_SHARE, WordPieces
from engine.encoders.mini_towers import ImageTower, TextTower
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, bundled_mini, mini_weights
from training import plain
from training.captions import CaptionPairs
from training.data import read_photos, select
from training.features import WHOLE, cache_captions, cache_means
from training.gallery import TEXT_TO_IMAGE, Gallery, lists
from training.heads import Feed

LIST, BATCH = 32, 64  # pictures of a list, and lists of a step
COSINE_SCALE = 25.0  # that of the shipped heads' scores as they learned
WEIGHTS = (1.0,)


@dataclass(frozen=True)
class Taught:
    """Lists: of each the caption (n,), its photographs (n, LIST), and what is `said` of them, in all 1."""

    captions: Tensor
    photos: Tensor
    said: Tensor


def lessons(feed: Feed, gallery: Gallery, work: Path) -> dict[str, Taught]:
    """Make the lists, judged by each teacher; the fusion model's verdicts are kept in `work`."""
    path, positions = work / "verdicts.npz", np.array(select(feed.photos, "train", "flickr8k"))
    first = np.searchsorted(gallery.owner, np.arange(len(positions)))  # one caption a photograph
    if not path.exists():
        found = lists(Modules(bundled_mini(), None).judged.model, gallery, TEXT_TO_IMAGE, first)
        np.savez(path, candidates=found.candidates, parts=found.parts, relevant=found.relevant)
    with np.load(path) as kept:
        candidates, parts, relevant = kept["candidates"], kept["parts"], kept["relevant"]
    some = relevant[:, :LIST].any(1)  # the others' right picture is not on the list
    candidates, parts, relevant = (array[some, :LIST] for array in (candidates, parts, relevant))
    captions = torch.from_numpy(feed.states.first[positions][some])
    teachers = {
        "the right one": torch.from_numpy(relevant).float(),
        "cosines": torch.from_numpy(COSINE_SCALE * parts[..., 0]).softmax(1),
        "the fusion model": torch.from_numpy(parts[..., 2]).softmax(1),
    }
    photos = torch.from_numpy(positions[candidates])
    return {name: Taught(captions, photos, said) for name, said in teachers.items()}


def loss_by(taught: Taught, known: plain.Plain, weight: float, seed: int) -> plain.More:
    """Return what heads lose by at a step: how far their scores are from what was said of some lists."""
    rng = np.random.default_rng((seed, 7))

    def loss(joint: Joint, scale: Tensor) -> Tensor:
        some = torch.from_numpy(rng.integers(len(taught.captions), size=BATCH))
        texts = joint.text(known.meaning[taught.captions[some]])
        photos = taught.photos[some]
        pictures = joint.image(known.means[0, photos.ravel()]).view(*photos.shape, -1)
        scores = (scale * torch.einsum("nd,nld->nl", texts, pictures)).log_softmax(1)
        return weight * F.kl_div(scores, taught.said[some], reduction="batchmean")

    return loss


@torch.inference_mode()
def hits(scores: Tensor, owner: Tensor) -> dict[int, np.ndarray]:
    """Tell for each query (q, n) whether its own picture is among the first 1, 5 and 10."""
    own = scores[torch.arange(len(owner)), owner]
    better = (scores > own[:, None]).sum(1).numpy()
    return {k: better < k for k in (1, 5, 10)}


@torch.inference_mode()
def measured(joint: Joint, feed: Feed, known: plain.Plain, val: Gallery) -> list[float]:
    """Return R@1, R@5 and R@10 of the plain heads alone, and of their sum with the shipped vectors."""
    positions = np.array(select(feed.photos, "val", "flickr8k"))
    captions = [c for i in positions for c in range(feed.states.first[i], feed.states.first[i + 1])]
    owner = torch.from_numpy(val.owner)
    alone = joint.text(known.meaning[captions]) @ joint.image(known.means[0, positions]).T
    both = val.texts @ val.pictures.T + PLAIN_SHARE * alone
    return [100 * float(own.mean()) for scores in (alone, both) for own in hits(scores, owner).values()]


def prepared(data: Path, cache: Path) -> tuple[Feed, plain.Plain, ImageTower]:
    """Read what training has kept of photographs and captions."""
    photos, weights = read_photos(data), mini_weights()
    image, text = image_tower(weights), TextTower(load_file(weights / TEXT_TOWER))
    pieces = WordPieces(weights / TOKENIZER)
    states = cache_captions(text, pieces, photos, cache)
    _, names = plain.read_texts(plain.Towers(image, text, pieces), shipped(), plain.class_captions())
    means = torch.from_numpy(np.load(cache_means(image, photos, WHOLE, cache))).float()[None]
    known = plain.Plain(means, torch.from_numpy(states.meaning).float(), names)
    return Feed(photos, states, [], CaptionPairs(data, text, pieces)), known, image


def main() -> None:
    """Train every row that was not trained before, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("data", "cache", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    feed, known, image = prepared(options.data, options.cache)
    kept = galleries(options.data, options.cache, options.work)
    ways: dict[str, tuple[Taught | None, float]] = {"nobody": (None, 0.0)}
    for teacher, taught in lessons(feed, kept["train"], options.work).items():
        ways |= {f"{teacher}, {weight:g}": (taught, weight) for weight in WEIGHTS}
    print("| taught by, weight | alone: R@1 | R@5 | R@10 | with the shipped vectors: R@1 | R@5 | R@10 |")
    print(f"|{' --- |' * 7}")
    for name, (lesson, weight) in ways.items():
        rows = []
        for seed in range(options.seeds):
            more = None if lesson is None else loss_by(lesson, known, weight, seed)
            path = options.work / f"taught-{name.replace(' ', '-')}-{seed}.pt"
            joint = plain.train(feed, known, image.classifiers, plain.Recipe(), path, more, seed=seed)
            rows.append(measured(joint, feed, known, kept["val"]))
        low, high = np.min(rows, axis=0), np.max(rows, axis=0)
        cells = (
            f"{m:.1f} ({a:.1f}-{b:.1f})" for m, a, b in zip(np.mean(rows, axis=0), low, high, strict=True)
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"\nMeans (least to greatest) of {options.seeds} seeds, on one thread of {describe()}.")


if __name__ == "__main__":
    main()
