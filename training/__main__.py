"""Make the shipped weights of `mini`, stage by stage: `python -m training --data DIR`.

Each stage resumes where a killed run left it, and says how long it took. Features and checkpoints
go to --work; nothing of the data directory is copied into the bundle.
"""

from __future__ import annotations

import argparse
import copy
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.encoders.mini_joint import Joint
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_shape import WordPieces
from engine.encoders.mini_towers import NETWORKS, TextTower
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, pull_mini
from engine.fusion import FusionModel
from training import answers, heads, hybrid, measure, measure_answers, plain, reranker, sights
from training.calibrate import fit_blend
from training.captions import CaptionPairs
from training.checkpoints import Resume, kept, weights_digest
from training.data import SEED, read_photos, select
from training.export import bundled, export
from training.features import CROP, MIRROR, WHOLE, cache_captions, cache_means, cache_view, kept_view
from training.gallery import IMAGE_TO_TEXT, TEXT_TO_IMAGE, encode, lists
from training.joint import furnish, joined
from training.model import Model, soup
from training.precision import has_bfloat16

log = logging.getLogger("training")
BUNDLE = Path(__file__).parent.parent / "data" / "models" / "mini"
VIEWS = (WHOLE, MIRROR, CROP)
WARM = heads.Recipe(epochs=1, views=1, captions=2)
TUNED = heads.Recipe(epochs=10, views=2, image_rate=1e-4, text_rate=5e-5)
REFINED = heads.Recipe(
    epochs=5, views=3, head_rate=5e-4, image_rate=7e-5, text_rate=5e-5, pairs=96, word_drop=0.1
)


@dataclass(frozen=True)
class Work:
    """What every stage needs."""

    feed: heads.Feed
    towers: plain.Towers
    plain: plain.Plain
    model: Model
    published: dict[str, Tensor]  # the model before training
    folder: Path


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Say when a stage starts and how long it took."""
    log.info("%s: starting", name)
    began = time.perf_counter()
    yield
    log.info("%s: %.0f s", name, time.perf_counter() - began)


def prepare(data: Path, folder: Path) -> Work:
    """Read the data, fetch the towers and keep what their frozen parts make of it."""
    photos = read_photos(data)
    weights = pull_mini(progress=log.info)
    image = image_tower(weights)
    text = TextTower(load_file(weights / TEXT_TOWER))
    pieces = WordPieces(weights / TOKENIZER)
    with stage("features"):
        for view in VIEWS:
            cache_view(image, photos, view, folder)
        views = list(zip(*(kept_view(folder, view) for view in VIEWS), strict=True))
        states = cache_captions(text, pieces, photos, folder)
        means = [np.load(cache_means(image, photos, view, folder)) for view in (WHOLE, MIRROR)]
    feed = heads.Feed(photos, states, views, CaptionPairs(data, text, pieces))
    torch.manual_seed(SEED)
    model = Model(image, text, dropout=0.2)
    towers = plain.Towers(image, text, pieces)
    _, names = plain.read_texts(towers, model, plain.class_captions())
    untouched = plain.Plain(
        torch.from_numpy(np.stack(means)).float(), torch.from_numpy(states.meaning).float(), names
    )
    published = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return Work(feed, towers, untouched, model, published, folder)


def train_heads(work: Work) -> Model:
    """Warm the heads up, train them with the towers' last parts twice over, and average the two outcomes."""
    outcomes = []
    for name, recipe in (("warm", WARM), ("tuned", TUNED), ("refined", REFINED)):
        with stage(f"heads, {name}"):
            outcomes.append(heads.train(work.model, work.feed, recipe, work.folder / f"{name}.pt"))
    return soup(outcomes[1:])


def train_sights(work: Work, model: Model) -> Model:
    """Let the other networks learn to look into the space that is there; refine all, and average both."""
    with stage("sights"):
        texts = sights.read_captions(model, work.feed.states)
        names, _ = plain.read_texts(work.towers, model, plain.class_captions())
        said = work.towers.image.classifiers.each(work.plain.means[WHOLE])
        known = [sights.Known(texts, names, own) for own in said]
        for network in range(1, len(NETWORKS)):
            token = model.image_heads[0].token.state_dict()  # in whose space its tokens will be
            model.image_heads[network].token.load_state_dict(token)
            checkpoint = work.folder / f"sights-{network}.pt"
            model = sights.train(model, work.feed, network, known[network], sights.LOOK, checkpoint)
        refined = copy.deepcopy(model)
        for network in range(len(NETWORKS)):
            checkpoint = work.folder / f"refined-{network}.pt"
            refined = sights.train(refined, work.feed, network, known[network], sights.REFINE, checkpoint)
        return soup([model, refined])


def train_reranker(work: Work, model: Model) -> FusionModel:
    """Teach the cross-attention, on mirror images: a view that recall knows less by heart."""
    with stage("reranker"):
        gallery = encode(
            model, work.feed.states, kept_view(work.folder, MIRROR), select(work.feed.photos, "train")
        )
        recipe = reranker.Recipe()
        key = f"{recipe} {work.feed.digest} {weights_digest(model)}"
        return reranker.train(model, gallery, recipe, Resume(work.folder / "reranker.pt", key))


def join(work: Work, model: Model) -> Joint:
    """Train the second opinion, and put it together with the first, the vocabulary and the crowd."""
    with stage("joint"):
        teacher = work.towers.image.classifiers
        joint = plain.train(work.feed, work.plain, teacher, plain.Recipe(), work.folder / "plain.pt")
        key = f"{work.feed.digest} {weights_digest(model)} {weights_digest(joint)}"

        def make() -> dict[str, Any]:
            furnish(joint, model, work.feed, work.plain, work.towers)
            return {"joint": joint.state_dict()}

        joint.load_state_dict(kept(work.folder / "joint.pt", key, make)["joint"])
        return joint


def ship(work: Work, model: Model, joint: Joint, fusion: FusionModel) -> None:
    """Learn blend and calibration on the held-back photographs, and write the bundle.

    As many training photographs stand among them, as wrong answers only: those held back are fewer,
    and easier to tell apart, than a gallery of a thousand.
    """
    with stage("calibration"):
        photos = work.feed.photos
        held = select(photos, "held")
        others = np.random.default_rng(SEED).permutation(select(photos, "train"))[: len(held)].tolist()
        positions = [*held, *others]
        gallery = encode(model, work.feed.states, kept_view(work.folder, WHOLE), positions)
        gallery = joined(gallery, positions, joint, work.feed, work.plain, work.towers)
        queries = {
            TEXT_TO_IMAGE: np.flatnonzero(gallery.owner < len(held))[::2],
            IMAGE_TO_TEXT: np.arange(len(held)),
        }
        blends = {d: fit_blend(lists(fusion, gallery, d, chosen)) for d, chosen in queries.items()}
    export(BUNDLE, bundled(model, joint, fusion, work.published), blends)


def main() -> None:
    """Run every stage, then measure what ships."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Make the shipped weights of mini."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    parser.add_argument("--work", type=Path, default=Path("data/cache"), help="for features and checkpoints")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    products = "bfloat16" if has_bfloat16() else "float32"
    log.info("seed %d, on %s processors, float32 weights, %s products", SEED, os.cpu_count(), products)
    arguments.work.mkdir(parents=True, exist_ok=True)
    with stage("everything"):
        work = prepare(arguments.data, arguments.work)
        model = train_sights(work, train_heads(work))
        ship(work, model, join(work, model), train_reranker(work, model))
        with stage("hybrid"):
            hybrid.main(["--data", str(arguments.data)])
        with stage("answers"):
            answers.main(["--data", str(arguments.data)])
        with stage("measure"):
            measure.main(["--data", str(arguments.data)])
            measure_answers.main(["--data", str(arguments.data)])


if __name__ == "__main__":
    main()
