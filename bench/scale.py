"""How a search grows with the gallery: exact and approximate, at 10,000, 100,000 and 1,000,000 items.

    python -m bench.scale [--items 10000 100000 1000000] [--dim 512] [--kinds flat hnsw ivf-sq8]
                          [--cache data/cache/bench]

Each point is the median of whole searches by the engine, the hits' metadata fetched, beside their
recall@10. Draws docs/search-by-size.svg, for which it needs matplotlib: pip install 'crosslight[bench]'.
"""

from __future__ import annotations

from pathlib import Path

from bench.galleries import opened
from bench.indexes import Data, arguments
from bench.million import when
from bench.recall import recalls, truth
from bench.timing import medians
from engine import SearchEngine

RUNS = 200
PLOT = Path("docs/search-by-size.svg")


def milliseconds(engine: SearchEngine) -> float:
    """Return the median time of one search."""
    return medians({"engine": lambda run: engine.search(f"query {run}", k=10)}, RUNS)["engine"]


def plot(times: dict[str, dict[int, float]], dim: int) -> None:
    """Draw milliseconds by items, one line a kind, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for kind, points in times.items():
        axes.loglog(list(points), list(points.values()), marker="o", label=kind)
    axes.set_xlabel("items in the gallery")
    axes.set_ylabel("milliseconds a search, median")
    axes.set_title(f"engine.search by size, {dim} dimensions, hits fetched")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Measure, print the table, draw the plot."""
    options = arguments(__doc__, items=[10_000, 100_000, 1_000_000], kinds=["flat", "hnsw", "ivf-sq8"])
    times: dict[str, dict[int, float]] = {kind: {} for kind in options.kinds}
    print("| items | kind | a search | recall@10 |\n| --- | --- | --- | --- |")
    for items in options.items:
        data = Data(options.cache, items, options.dim)
        best = truth(data)
        for kind in options.kinds:
            with opened(data, kind) as engine:
                recall = recalls(engine, best)
                times[kind][items] = milliseconds(engine)
            print(f"| {items:,} | {kind} | {times[kind][items]:.2f} ms | {recall:.3f} |", flush=True)
    plot(times, options.dim)
    print(f"\nDimension {options.dim}, medians of {RUNS} searches; {when()}")


if __name__ == "__main__":
    main()
