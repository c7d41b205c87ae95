"""Each signal alone and all together, on captioned pictures: one caption is indexed, the others ask.

    python -m bench.hybrid --data DIR [--model KEY] [--asked N] [--json FILE]

DIR holds `flickr8k/flickr8k-val-00.tar`. Prints the table of docs/signals.md as Markdown: R@k in percent,
with 95 % intervals from resampling whole pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.machine import describe
from engine import Item, Part, Query, SearchEngine
from engine.evaluate import CUTS, Ranks, bootstrap, recall_table
from indexer.captioned import captioned_pictures

SET = "flickr8k/flickr8k-val-00.tar"
BATCH = 64
SEED = 0
BINS = 15  # of the calibration error, as in training/calibrate.py
WAYS: dict[str, tuple[dict[str, float] | None, bool]] = {
    "visual": ({"visual": 1}, False),
    "visual, reranked": ({"visual": 1}, True),
    "caption": ({"caption": 1}, False),
    "lexical": ({"lexical": 1}, False),
    "all": (None, False),
    "all, reranked": (None, True),
}


def fill(engine: SearchEngine, path: Path) -> tuple[list[tuple[str, int]], list[int]]:
    """Index every picture with its first caption; return what asks, and the pictures' ids."""
    pairs = [pair for pair in captioned_pictures(path) if len(pair.captions) > 1]
    ids: list[int] = []
    asked: list[tuple[str, int]] = []
    for start in range(0, len(pairs), BATCH):
        some = pairs[start : start + BATCH]
        engine.add(Item(f"picture:{p.key}", text=p.captions[0], picture=p.picture) for p in some)
        for pair in some:
            ids.append(engine.find(f"picture:{pair.key}").id or 0)
            asked += [(caption, ids[-1]) for caption in pair.captions[1:]]
        print(f"indexed {len(ids)} of {len(pairs)}", file=sys.stderr)
    return asked, ids


def measure(
    engine: SearchEngine, asked: Sequence[tuple[str, int]], signals: dict[str, float] | None, rerank: bool
) -> tuple[Ranks, float | None]:
    """Ask everything one way: the ranks (past the first ten all alike), and how far probabilities are off."""
    ranks = np.full(len(asked), CUTS[-1] + 1, dtype=np.int64)
    chances: list[float] = []
    right: list[bool] = []
    for place, (caption, wanted) in enumerate(asked):
        query = Query((Part(text=caption),), "image")
        for hit in engine.search(query, k=CUTS[-1], rerank=rerank, signals=signals):
            if hit.item.id == wanted:
                ranks[place] = hit.rank
            if hit.probability is not None:
                chances.append(hit.probability)
                right.append(hit.item.id == wanted)
    return ranks, _calibration_error(np.array(chances), np.array(right)) if chances else None


def _calibration_error(chances: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    place = np.minimum((chances * BINS).astype(int), BINS - 1)
    gaps = [
        abs(chances[place == b].mean() - right[place == b].mean()) * (place == b).mean() for b in set(place)
    ]
    return float(sum(gaps))


def main() -> None:
    """Measure every way and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--asked", type=int, help="so many of the captions ask, drawn by seed; default all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    document: dict[str, Any] = {"dataset": SET, "model": options.model, "seed": SEED, "ways": {}}
    print("| signals | R@1 | R@5 | R@10 | calibration error |\n| --- | --- | --- | --- | --- |")
    with TemporaryDirectory() as folder, SearchEngine.open(folder, model=options.model) as engine:
        asked, ids = fill(engine, options.data / SET)
        if options.asked:
            chosen = np.random.default_rng(SEED).permutation(len(asked))[: options.asked]
            asked = [asked[n] for n in np.sort(chosen)]
        place = {item_id: n for n, item_id in enumerate(dict.fromkeys(item for _, item in asked))}
        groups = np.array([place[item] for _, item in asked])
        for name, (signals, rerank) in WAYS.items():
            ranks, error = measure(engine, asked, signals, rerank)
            table, ranges = recall_table(ranks), bootstrap(ranks, groups, SEED)
            cells = [
                f"{table[f'R@{k}']:.1f} ({ranges[f'R@{k}'][0]:.1f}-{ranges[f'R@{k}'][1]:.1f})" for k in CUTS
            ]
            print(f"| {name} | {' | '.join(cells)} | {'' if error is None else f'{error:.3f}'} |", flush=True)
            recalls = {f"R@{k}": table[f"R@{k}"] for k in CUTS}
            document["ways"][name] = {"recall": recalls, "intervals": ranges, "calibration_error": error}
    print(
        f"\n{len(ids):,} pictures with one caption each, {len(asked):,} other captions ask. "
        f"Model {options.model}, seed {SEED}, on {describe()}."
    )
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), "utf-8")


if __name__ == "__main__":
    main()
