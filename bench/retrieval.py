"""Retrieval quality and latency on captioned photographs, through the engine's own search.

    python -m bench.retrieval --data DIR [--model KEY] [--diversity SHARE] [--json FILE]

DIR holds `flickr8k/flickr8k-val-00.tar` and `coco/coco-val-00.tar`, webdatasets of KEY.jpg beside
KEY.json with its captions. Prints the README's table as Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.machine import describe
from engine import SearchEngine
from engine.evaluate import CUTS, evaluate
from indexer.captioned import captioned_pictures

SETS = {"Flickr8k val": "flickr8k/flickr8k-val-00.tar", "COCO val": "coco/coco-val-00.tar"}
DIRECTIONS = {"text_to_image": "text to image", "image_to_text": "image to text"}


def measure(name: str, path: Path, model: str, diversity: float) -> dict[str, Any]:
    """Evaluate one set in a gallery of its own."""

    def progress(stage: str, done: int, total: int) -> None:
        if done == total:
            print(f"{name}: {stage}, {total}", file=sys.stderr)

    with TemporaryDirectory() as folder, SearchEngine.open(folder, model=model) as engine:
        pairs = captioned_pictures(path)
        return evaluate(engine, pairs, dataset=name, diversity=diversity, progress=progress)


def rows(document: dict[str, Any]) -> list[str]:
    """Lay one evaluation out as rows of Markdown: R@k with its 95 % interval."""
    lines = []
    for direction, words in DIRECTIONS.items():
        for stage in document["intervals"]:
            table = document[stage][direction]
            ranges = document["intervals"][stage][direction]
            cells = [
                f"{table[f'R@{k}']:.1f} ({ranges[f'R@{k}'][0]:.1f}-{ranges[f'R@{k}'][1]:.1f})" for k in CUTS
            ]
            lines.append(f"| {document['dataset']} | {words} | {stage} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Measure every set and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--diversity", type=float, default=0.0, help="measure searches with this too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    documents = [
        measure(name, options.data / path, options.model, options.diversity) for name, path in SETS.items()
    ]
    print("| data | direction | stage | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- | --- | --- |")
    for document in documents:
        print("\n".join(rows(document)))
    for document in documents:
        items, latency = document["items"], document["latency_ms"]
        print(
            f"\n{document['dataset']}: {items['pictures']:,} pictures, {items['captions']:,} captions; "
            f"a search with reranking takes {latency['p50']:.0f} ms (median), {latency['p95']:.0f} ms (p95)."
        )
    print(f"\nModel {options.model}, seed {documents[0]['seed']}, on {describe()}.")
    if options.json:
        options.json.write_text(json.dumps(documents, indent=1), "utf-8")


if __name__ == "__main__":
    main()
