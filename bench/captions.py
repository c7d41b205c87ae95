"""Captions on the validation photographs: BLEU-4 and CIDEr-D, beside the nearest photograph's.

    python -m bench.captions --data DIR [--teller KEY] [--limit N]

Scores are those of pycocoevalcap (the scorers of the COCO caption challenge), over words as this project
splits them, in small letters and without punctuation: no Java tokenizer is needed, and numbers are
comparable within this table. The baseline repeats the first caption of the training photograph whose
mean token is nearest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider

from bench.machine import describe
from engine.encoders.mini import load_mini
from engine.telling import open_captioner
from engine.telling.mini import MiniTeller
from engine.telling.words import split
from engine.types import Floats, Tokens
from training.data import SEED, Photo, read_photos, read_picture, select
from training.telling import SETS, cached_tokens

RESAMPLES = 1000


def scores(written: Sequence[str], photos: Sequence[Photo]) -> dict[str, tuple[float, float, float]]:
    """Return BLEU-4 and CIDEr-D in percent with their 95 % intervals, by bootstrap over photographs."""
    said = [" ".join(split(text)) for text in written]
    people = [[" ".join(split(caption)) for caption in photo.captions] for photo in photos]
    bleu = BleuScorer(n=4)
    for text, of_people in zip(said, people, strict=True):
        bleu += (text, of_people)
    parts = np.array(
        [[*one["correct"], *one["guess"], one["testlen"], min(one["reflen"])] for one in bleu.ctest]
    )
    _, cider = Cider().compute_score(dict(enumerate(people)), {n: [text] for n, text in enumerate(said)})
    draws = np.random.default_rng(SEED).integers(len(said), size=(RESAMPLES, len(said)))
    spread = {
        "BLEU-4": [_bleu(parts[draw].sum(0)) for draw in draws],
        "CIDEr-D": (100 * np.asarray(cider)[draws].mean(1)).tolist(),
    }
    whole = {"BLEU-4": _bleu(parts.sum(0)), "CIDEr-D": 100 * float(np.mean(cider))}
    edges = {name: np.percentile(spread[name], [2.5, 97.5]) for name in whole}
    return {name: (whole[name], float(edges[name][0]), float(edges[name][1])) for name in whole}


def _bleu(parts: npt.NDArray[np.int64]) -> float:
    """Compute BLEU-4 (Papineni et al., 2002) of summed counts, in percent."""
    correct, guessed, written, wanted = parts[:4], parts[4:8], parts[8], parts[9]
    if not correct.all():
        return 0.0
    short = min(0.0, 1 - wanted / written)
    return float(100 * np.exp(np.log(correct / guessed).mean() + short))


def nearest(tokens: Tokens, train: Sequence[int], val: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return, of each validation photograph, the training photograph whose mean token is nearest."""
    known, asked = (_means(tokens, places) for places in (train, val))
    found: npt.NDArray[np.int64] = np.array(train)[(asked @ known.T).argmax(1)]
    return found


def _means(tokens: Tokens, places: Sequence[int]) -> Floats:
    means: Floats = np.stack([tokens[place].astype(np.float32).mean(0) for place in places])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure captions on the validation photographs.")
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    parser.add_argument("--work", type=Path, default=Path("data/cache/tell"), help="where tokens are kept")
    parser.add_argument("--teller", default="mini", help="the model that writes")
    parser.add_argument("--limit", type=int, default=None, help="so many photographs of each set")
    chosen = parser.parse_args()
    photos = read_photos(chosen.data)
    captioner = open_captioner(chosen.teller)
    tokens = cached_tokens(load_mini()[0], photos, chosen.work)
    train = select(photos, "train")
    print(f"{describe()}\n\n| set | captions | BLEU-4 | CIDEr-D |\n| --- | --- | --- | --- |")
    for name, group in SETS.items():
        val = select(photos, "val", group)[: chosen.limit]
        some = [photos[place] for place in val]
        written = {"nearest photograph's": [photos[n].captions[0] for n in nearest(tokens, train, val)]}
        if isinstance(captioner, MiniTeller):
            found = captioner.caption_tokens(np.stack([tokens[place] for place in val]))
        else:
            found = [captioner.caption([read_picture(photo)])[0] for photo in some]
        written[chosen.teller] = [one[0].text for one in found]
        for who, texts in written.items():
            cells = (
                f"{value:.1f} ({low:.1f}-{high:.1f})" for value, low, high in scores(texts, some).values()
            )
            print(f"| {name} | {who} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
