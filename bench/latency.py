"""What a query of words takes from end to end on a large gallery of `mini`, with reranking and without.

    python -m bench.latency [--items 100000] [--runs 100] [--cache data/cache/bench]

The items are pictures with captions: the vectors and tokens are those of the sample photographs, each vector
moved at random, so that nearest neighbors differ; captions are made-up, their words as unequally common as
those of a language. The gallery is kept in the cache for the next time. The two ways take turns; told are the
clock, by which others' work on the machine counts, and the processor's time, by which it hardly does.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from bench.encoding import SAMPLE
from bench.load import WORDS
from bench.machine import describe
from engine import SearchEngine
from engine.models import load_model
from engine.store import Store
from engine.store.rows import Record
from engine.types import Encoded, Floats, Signal

SEED = 0
BATCH = 1000
NOISE = 0.7  # the length of what is added to a unit vector
SIGNALS = frozenset({Signal.VISUAL, Signal.CAPTION})
VOCABULARY = [*WORDS, *(f"word{n}" for n in range(3000))]
QUERIES = (
    "two dogs in the snow",
    "a red boat",
    "old street at night",
    "a small tree by the beach",
    "blue cat",
)


def records(items: int) -> Iterator[Record]:
    """Make items up from the sample photographs."""
    encoder = load_model("mini").encoder
    photos = [Image.open(path).convert("RGB") for path in sorted(SAMPLE.glob("*.*g"))]
    seen, said = encoder.encode_image(photos), encoder.encode_text([" ".join(WORDS[n:]) for n in range(9)])
    assert seen.tokens is not None and seen.lengths is not None
    generator, chosen = np.random.default_rng(SEED), random.Random(SEED)
    common = [1 / (rank + 2) for rank in range(len(VOCABULARY))]
    for n in range(items):
        one = n % len(photos)
        picture = Encoded(
            _moved(seen.vectors[one], generator), seen.tokens[one : one + 1], seen.lengths[one : one + 1]
        )
        caption = Encoded(_moved(said.vectors[n % len(said.vectors)], generator))
        words = " ".join(chosen.choices(VOCABULARY, common, k=8))
        yield Record(
            f"made-up:{n}",
            "image",
            words,
            None,
            f"{n:064x}",
            None,
            None,
            {"year": 1990 + n % 35},
            signals=SIGNALS,
            embeddings={Signal.VISUAL: picture, Signal.CAPTION: caption},
        )


def _moved(vector: Floats, generator: np.random.Generator) -> Floats:
    noise = generator.standard_normal(len(vector)).astype(np.float32)
    moved = vector + NOISE * noise / np.linalg.norm(noise)
    found: Floats = (moved / np.linalg.norm(moved))[None].astype(np.float32)
    return found


def built(folder: Path, items: int) -> Path:
    """Return the gallery, which is made where it is missing."""
    path = folder / f"latency-{items}.gallery"
    if not (path / "built").exists():
        shutil.rmtree(path, ignore_errors=True)
        SearchEngine.open(path, model="mini", device="cpu").close()
        encoder = load_model("mini").encoder
        with closing(Store(path / "gallery.db")) as store:
            store.set_stamp(encoder.stamp, encoder.dim)
            made = records(items)
            while some := list(islice(made, BATCH)):
                store.put(some)
        with SearchEngine.open(path, device="cpu") as engine, engine.writing():
            engine.search("a", rerank=False)
            engine.serving().save()
        (path / "built").touch()
    return path


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=Path("data/cache/bench"))
    options = parser.parse_args()
    times: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    stages: dict[bool, dict[str, list[float]]] = {True: {}, False: {}}
    with SearchEngine.open(built(options.cache, options.items), device="cpu", read_only=True) as engine:
        for run in range(-5, options.runs):
            for rerank in times:
                clock, processor = time.perf_counter(), time.process_time()
                result = engine.search(f"{QUERIES[run % len(QUERIES)]} {run}", rerank=rerank)
                took = time.perf_counter() - clock, time.process_time() - processor
                assert result.reranked == rerank and len(result.hits or result.misses) == 10
                if run >= 0:
                    times[rerank].append(took)
                    for stage, spent in result.timings.items():
                        stages[rerank].setdefault(stage, []).append(spent)
    print("| search | p50 | p95 | processor, p50 | encode | recall | rerank | fetch |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for rerank, taken in times.items():
        clocks, processors = 1000 * np.array(taken).T
        middle, high = np.percentile(clocks, [50, 95])
        parts = [np.median(stages[rerank][stage]) for stage in ("encode", "recall", "rerank", "fetch")]
        cells = [middle, high, np.median(processors), *parts]
        name = "with reranking" if rerank else "without"
        print(f"| {name} | " + " | ".join(f"{cell:.1f} ms" for cell in cells) + " |")
    print(f"\n{options.items:,} pictures with captions, {options.runs} runs, {describe()}.")


if __name__ == "__main__":
    main()
