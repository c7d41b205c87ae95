"""Do the words' maps show what the score hangs on? Hide what they looked at most, and see.

    python -m bench.deletion --data DIR

Every caption of Flickr8k val and COCO val is scored against its own picture by the shipped reranker: with all
of the picture's tokens, without the fifth that the words looked at most, and without a random fifth. The
score is that of the tokens (late interaction and cross-attention as they are blended), without recall's part.
Intervals are 95 % bootstrap over pictures. Prints a table of Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bench.machine import describe
from engine.encoders.mini import load_mini
from engine.encoders.weights import bundled_mini
from engine.fusion_reranker import FusionReranker
from engine.rerank import Candidates, Read
from engine.types import Encoded, Floats
from training.data import SEED, read_photos, select
from training.gallery import Ints
from training.measure import SETS, encode_photos

SHARE = 5  # one part in so many is hidden
DRAWS = 5  # of a random part


def drops(
    reranker: FusionReranker, pictures: Encoded, texts: Encoded, captions: list[str], owner: Ints
) -> Floats:
    """Tell how far each caption's score falls: (captions, 2), without the most looked at and at random."""
    assert pictures.tokens is not None
    cells = pictures.tokens.shape[1]
    hidden = round(cells / SHARE)
    rng = np.random.default_rng(SEED)
    fallen = np.empty((len(captions), 2), np.float32)
    for place, caption in enumerate(captions):
        picture, text = pictures.row(int(owner[place])), texts.row(place)
        (words,) = reranker.explain(Read("text", caption, text), _candidates(picture, np.arange(cells)[None]))
        seen = np.sum([word.weight * word.grid.ravel() for word in words], axis=0)
        kept = [np.argsort(-seen, kind="stable")[hidden:]]
        kept += [rng.permutation(cells)[hidden:] for _ in range(DRAWS)]
        (whole,) = _scores(reranker, text, picture, np.arange(cells)[None])
        left = _scores(reranker, text, picture, np.stack(kept))
        fallen[place] = whole - left[0], whole - left[1:].mean()
    return fallen


def _candidates(picture: Encoded, cells: Ints) -> Candidates:
    """Make candidates of a picture, each of some of its tokens: `cells` (n, c)."""
    assert picture.tokens is not None
    nothing = np.zeros(len(cells), np.float32)
    kept = picture.tokens[0, cells]
    return Candidates("image", nothing.astype(np.int64), nothing, kept, np.full(len(cells), cells.shape[1]))


def _scores(reranker: FusionReranker, text: Encoded, picture: Encoded, cells: Ints) -> Floats:
    parts = reranker.score(Read("text", "", text), _candidates(picture, cells))
    total: Floats = np.sum(list(parts.values()), axis=0)
    return total


def interval(values: Floats, photo: Ints) -> str:
    """Write a mean with its interval, resampling photographs with all of their captions."""
    rng = np.random.default_rng(SEED)
    sums, counts = np.bincount(photo, values), np.bincount(photo)
    drawn = rng.integers(len(sums), size=(1000, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Check both validation sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the tars")
    parser.add_argument("--limit", type=int, help="only the first photographs of each set")
    options = parser.parse_args()
    encoder, _ = load_mini()
    _, reranker = load_mini(bundle=bundled_mini())  # in torch, which reads any number of tokens
    photos = read_photos(options.data)
    print("| set | captions | most looked at | random fifth | ratio | most looked at falls further |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, group in SETS.items():
        chosen = [photos[i] for i in select(photos, "val", group)][: options.limit]
        pictures, texts, owner = encode_photos(encoder, chosen)
        captions = [caption for photo in chosen for caption in photo.captions]
        fallen = drops(reranker, pictures, texts, captions, owner)
        most, anyhow = fallen.T
        print(
            f"| {name} | {len(captions):,} | {interval(most, owner)} | {interval(anyhow, owner)} "
            f"| {most.mean() / anyhow.mean():.1f} | {100 * (most > anyhow).mean():.0f} % |",
            flush=True,
        )
    print(f"\nSeed {SEED}, weights {reranker.stamp}, on {describe()}.")


if __name__ == "__main__":
    main()
