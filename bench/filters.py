"""Filtered search by the share of items that a filter allows, on every kind of index.

    python -m bench.filters [--items 1000000] [--dim 512] [--kinds flat hnsw …] [--cache data/cache/bench]
    python -m bench.filters --items 100000 --kinds exact flat

`chance < SHARE` allows a random share of the items; `center < N` allows whole clusters, so that for most
queries all that is near is hidden. A row gives the median of whole searches by the engine with the filter
known (it has been asked since the gallery changed last), of the same without a filter in turn with it, their
ratio, that to an exact search of the whole gallery, the first search with the filter, recall@10 against the
exact answer, and how the search was run.
`engine/plan.py` takes its thresholds from here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from bench.galleries import opened
from bench.indexes import Data, arguments
from bench.made_up import blocks
from bench.million import when
from bench.recall import recalls, truth
from bench.resident import resident
from bench.timing import medians
from engine import SearchEngine
from engine.types import Bitmap, Floats

RUNS = 40
SHARES = (0.001, 0.01, 0.1, 0.5, 1.0)
CLUSTERS = (10, 100)  # of a thousand


def asked(data: Data) -> Iterator[tuple[str, Bitmap]]:
    """Yield each filter and which items it allows."""
    chances = data.chances().astype(np.float64)
    for share in SHARES:
        yield f"chance < {share}", chances < share
    centers = np.concatenate([centers for _, centers in blocks(data.items, data.dim)])
    for some in CLUSTERS:
        yield f"center < {some}", centers < some


def row(engine: SearchEngine, words: str, best: Floats, exact: float) -> str:
    """Measure one filter on one gallery."""
    start = time.perf_counter()
    engine.search("query 0", k=10, filter=words)
    first = 1000 * (time.perf_counter() - start)
    recall = recalls(engine, best, words)
    plan = engine.search("query 0", k=10, filter=words).plan
    taken = medians(
        {
            "filtered": lambda run: engine.search(f"query {run}", k=10, filter=words),
            "free": lambda run: engine.search(f"query {run}", k=10),
        },
        RUNS,
    )
    filtered, free = taken["filtered"], taken["free"]
    times = f"{filtered:.2f} ms | {free:.2f} ms | {filtered / free:.1f} | {filtered / exact:.2f}"
    return f"{times} | {first:.0f} ms | {recall:.3f} | {plan.name}"


def main() -> None:
    """Measure and print the table."""
    options = arguments(__doc__)
    for items in options.items:
        data = Data(options.cache, items, options.dim)
        filters = {words: (mask.mean(), truth(data, mask)) for words, mask in asked(data)}
        with opened(data, "flat") as engine:
            exact = medians({"exact": lambda run: engine.search(f"query {run}", k=10)}, RUNS)["exact"]
        print(f"\n{items:,} x {options.dim}: an exact search of the whole gallery takes {exact:.1f} ms.\n")
        print(
            "| kind | filter | allowed | filtered | free | ratio | of exact | first time | recall@10 | plan |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for kind in options.kinds:
            with opened(data, kind) as engine:
                engine.search("query 0", k=10)
                before = resident()
                for words, (share, best) in filters.items():
                    cells = row(engine, words, best, exact)
                    print(f"| {kind} | `{words}` | {share:.1%} | {cells} |", flush=True)
                print(f"{kind}: {before:.0f} MB before, {resident():.0f} MB after", flush=True)
    print(f"\nMedians of {RUNS} searches, recall over {len(best)} queries; {when()}")


if __name__ == "__main__":
    main()
