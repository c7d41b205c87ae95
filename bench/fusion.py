"""Families of fusion models side by side: what each brings, and what it costs.

    python -m bench.fusion --data DIR --cache DIR --work DIR

Every configuration learns from the same batches of Flickr8k train, as many steps each, from the tokens of the
shipped heads (the features that `python -m training` keeps in --cache) beside the shipped late interaction.
Its blend is learned on the held-back photographs, and it reorders the first 100 of recall for the first
caption of 500 photographs of Flickr8k val. A killed run goes on where it was. Prints a table of Markdown.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench.machine import describe
from engine.encoders.mini_bundle import read_bundle
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_shape import GRID, TOKEN_DIM, WordPieces
from engine.encoders.mini_towers import TextTower
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, bundled_mini, mini_weights
from engine.fusion import FusionModel, Shape
from training.calibrate import fit_blend
from training.checkpoints import Resume
from training.data import SEED, read_photos, select
from training.features import MIRROR, WHOLE, cache_captions, kept_view
from training.gallery import TEXT_TO_IMAGE, Floats, Gallery, Ints, Lists, encode, lists, unit
from training.lessons import LESSONS
from training.measure import interval
from training.model import Model
from training.reranker import Recipe, teach

log = logging.getLogger("training")
RECIPE = Recipe(steps=150, batch=24)
QUERIES = 500  # of val
REPEATS = 20
LATE = "late.pt"


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    family: str
    depth: int = 1
    width: int = TOKEN_DIM
    side: int = GRID  # of the grid of tokens
    lessons: str = ""  # beside the contrast, of `training.lessons`

    @property
    def name(self) -> str:
        lessons = f"-{self.lessons.replace(' ', '-')}" if self.lessons else ""
        return f"{self.family}-{self.depth}-{self.width}-{self.side}{lessons}"


SETTINGS = (
    Setting("cross"),
    Setting("two", side=5),
    Setting("single", side=5),
    Setting("cross", side=5),
    Setting("cross", depth=2),
    Setting("cross", width=64),
    Setting("two"),
    Setting("single"),
    Setting("single", depth=2, side=5),
    *(Setting("cross", lessons=lessons) for lessons in (*LESSONS, " ".join(LESSONS))),
)


def shipped() -> Model:
    """Put the shipped weights into the model that training works with."""
    towers = mini_weights()
    image, text = image_tower(towers), TextTower(load_file(towers / TEXT_TOWER))
    model = Model(image, text, dropout=0.0)
    tensors = {n.removeprefix("fusion."): t for n, t in read_bundle(bundled_mini()).items()}
    ours = model.state_dict()
    model.load_state_dict(
        {name: torch.from_numpy(t) for name, t in tensors.items() if name in ours}, strict=False
    )
    return model.eval()


def galleries(data: Path, cache: Path, work: Path) -> dict[str, Gallery]:
    """Encode Flickr8k's training photographs, those held back and those of val, or read them again."""
    path = work / "tokens.pt"
    if not path.exists():
        model, photos = shipped(), read_photos(data)
        weights = mini_weights()
        pieces = WordPieces(weights / TOKENIZER)
        states = cache_captions(TextTower(load_file(weights / TEXT_TOWER)), pieces, photos, cache)
        views = {"train": MIRROR, "held": WHOLE, "val": WHOLE}
        kept = {
            split: asdict(encode(model, states, kept_view(cache, view), select(photos, split, "flickr8k")))
            for split, view in views.items()
        }
        torch.save(model.late.state_dict(), work / LATE)
        torch.save(kept, path)
    read = torch.load(path, weights_only=False)
    return {name: Gallery(**read[name]) for name in ("train", "held", "val")}


def pooled(gallery: Gallery, side: int) -> Gallery:
    """Pool the grid of every picture to `side` by `side` tokens."""
    if side == GRID:
        return gallery
    grids = []
    for cells in torch.split(gallery.cells, 512):
        grid = unit(cells).view(len(cells), GRID, GRID, -1).permute(0, 3, 1, 2)
        small = F.adaptive_avg_pool2d(grid, side).flatten(2).transpose(1, 2)
        grids.append((F.normalize(small, dim=-1) * 127).round().to(torch.int8))
    return replace(gallery, cells=torch.cat(grids))


def first_captions(gallery: Gallery) -> Ints:
    """Take one query a photograph: its first caption."""
    return np.searchsorted(gallery.owner, np.arange(len(gallery.pictures)))


def ranks(scores: Floats, found: Lists) -> Ints:
    """Rank (from 0) of the right picture in each list; its length where it is not there."""
    order = np.argsort(-scores, axis=1, kind="stable")
    right = np.take_along_axis(found.relevant, order, 1)
    places: Ints = np.where(right.any(1), right.argmax(1), right.shape[1])
    return places


def cost(fusion: FusionModel, gallery: Gallery) -> tuple[float, float]:
    """Time 12 words against 100 pictures: processor milliseconds of one thread (median), and Mflop."""
    words, cells = unit(gallery.words[:1, :12]), unit(gallery.cells[:100])
    real = torch.ones(1, 12, dtype=torch.bool)
    spent = []
    with torch.inference_mode():
        for _ in range(REPEATS):
            began = time.process_time()
            fusion(words, real, cells)
            spent.append(1000 * (time.process_time() - began))
        with FlopCounterMode(display=False) as counter:
            fusion(words, real, cells)
    return float(np.median(spent)), counter.get_total_flops() / 1e6


def measure(setting: Setting, kept: dict[str, Gallery], work: Path) -> dict[str, Any]:
    """Train one configuration, learn its blend, and measure it."""
    torch.manual_seed(SEED)
    fusion = FusionModel(Shape(TOKEN_DIM, setting.depth, setting.family, setting.width))
    fusion.late.load_state_dict(torch.load(work / LATE, weights_only=True))
    fusion.late.requires_grad_(False)
    small = {name: pooled(gallery, setting.side) for name, gallery in kept.items()}
    began = time.process_time()
    recipe = replace(RECIPE, lessons=tuple(setting.lessons.split()))
    teach(fusion, small["train"], recipe, Resume(work / f"{setting.name}.pt"))
    trained = time.process_time() - began
    blend = fit_blend(lists(fusion, small["held"], TEXT_TO_IMAGE, first_captions(small["held"])))
    found = lists(fusion, small["val"], TEXT_TO_IMAGE, first_captions(small["val"])[:QUERIES])
    scores = found.parts @ np.array([blend.visual, blend.late, blend.fusion], np.float32)
    after, before = ranks(scores, found), ranks(found.parts[..., 0], found)
    milliseconds, mflop = cost(fusion, small["val"])
    photo = np.arange(len(after))
    return {
        "setting": asdict(setting),
        "R@1": [100 * float((after < 1).mean()), *interval(after < 1, photo)],
        "recall R@1": 100 * float((before < 1).mean()),
        "alone R@1": 100 * float((ranks(found.parts[..., 2], found) < 1).mean()),
        "blend": asdict(blend),
        "parameters": sum(p.numel() for p in fusion.cross.parameters()),
        "ms": milliseconds,
        "Mflop": mflop,
        "training s": trained,
    }


def table(results: list[dict[str, Any]]) -> str:
    """Lay the results out as Markdown."""
    names = ["family", "depth", "width", "tokens", "lessons", "parameters"]
    names += ["alone", "blended R@1", "ms", "Mflop", "trained s"]
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    for row in results:
        setting = Setting(**row["setting"])
        value, low, high = row["R@1"]
        cells = [
            setting.family,
            setting.depth,
            setting.width,
            setting.side**2,
            ", ".join(["contrast", *setting.lessons.split()]),
            f"{row['parameters']:,}",
            f"{row['alone R@1']:.1f}",
            f"{value:.1f} ({low:.1f}-{high:.1f})",
            f"{row['ms']:.1f}",
            f"{row['Mflop']:,.0f}",
            f"{row['training s']:,.0f}",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every setting that was not measured before, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the tars")
    parser.add_argument("--cache", type=Path, default=Path("data/cache"), help="what training keeps")
    parser.add_argument("--work", type=Path, required=True, help="for tokens, checkpoints and results")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    kept = galleries(options.data, options.cache, options.work)
    results = []
    for setting in SETTINGS:
        path = options.work / f"{setting.name}.json"
        if not path.exists():
            log.info("%s", setting.name)
            path.write_text(json.dumps(measure(setting, kept, options.work), indent=1), "utf-8")
        results.append(json.loads(path.read_text("utf-8")))
        print(table(results), flush=True)
    print(f"\nRecall alone: R@1 {results[0]['recall R@1']:.1f}. {RECIPE}, on one thread of {describe()}.")


if __name__ == "__main__":
    main()
