"""Filtered search on a flat index: scoring the allowed items alone against scanning past the others.

    python -m bench.filters [--items 200000] [--dim 256]

Prints milliseconds a query (median) of both ways by the share of items a filter allows, beside an
unfiltered search in the same run. `engine/plan.py` takes its threshold from here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from bench.machine import describe
from engine.index import EVERYTHING, Index, Planned, make_index
from engine.types import Bitmap, Floats

SHARES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
QUERIES = 20
SEED = 0


def milliseconds(index: Index, queries: Floats, planned: Planned) -> float:
    """Return the median time of one search for 10 hits."""

    def one(query: Floats) -> float:
        start = time.perf_counter()
        index.search(query[None], 10, planned)
        return 1000 * (time.perf_counter() - start)

    return float(np.median([one(query) for query in queries]))


def masks(items: int, generator: np.random.Generator) -> Callable[[float], Bitmap]:
    """Return a maker of masks that allow a random share of the items."""
    chances = generator.random(items)
    return lambda share: chances < share


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=256)
    options = parser.parse_args()
    generator = np.random.default_rng(SEED)
    index = make_index("flat", options.dim)
    ids = np.arange(options.items)
    for some in np.array_split(ids, 20):
        index.add(some, generator.standard_normal((len(some), options.dim), dtype=np.float32))
    queries = generator.standard_normal((QUERIES, options.dim), dtype=np.float32)
    allowed = masks(options.items, generator)
    print("| share allowed | scoring those alone | scanning past the others | unfiltered |")
    print("| --- | --- | --- | --- |")
    for share in SHARES:
        rows = allowed(share)
        alone, scan, free = (
            milliseconds(index, queries, planned)
            for planned in (Planned(rows, gather=True), Planned(rows), EVERYTHING)
        )
        print(f"| {share:.1%} | {alone:.2f} ms | {scan:.2f} ms | {free:.2f} ms |")
    print(f"\n{options.items:,} x {options.dim}, {QUERIES} queries, seed {SEED}, on {describe()}.")


if __name__ == "__main__":
    main()
