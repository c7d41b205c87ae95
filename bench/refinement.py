"""How well vectors tell what goes on with a search from what is another one; it chose `judge.RELATED`.

    python -m bench.refinement --data DIR [--pairs N]

DIR holds `captions/coco-captions.jsonl.gz`, of training pictures alone. Asked is a caption; then said,
without a word of joining, is a detail of another caption of the same picture, the first caption of another
picture, or a detail of another picture. Prints, by bound, the share of the first that goes on with the
search, and the shares of the others that are taken for new.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np

from bench.dialogue import detail_of, stem, words_of
from bench.machine import describe
from engine.dialogue.judge import RELATED, Judge
from engine.models import load_model

SEED = 1
BOUNDS = (-0.5, 0.0, 0.25, RELATED, 0.75, 1.0, 1.5)


def detail(captions: list[str]) -> str:
    """Return what the second caption of a picture says beside the first."""
    return detail_of(captions[1], {stem(word) for word in words_of(captions[0])})


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=120)
    options = parser.parse_args()
    encoder = load_model("mini", None).encoder
    judge = Judge(lambda texts: encoder.encode_text(texts).vectors, lambda text: True)
    with gzip.open(options.data / "captions/coco-captions.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line)["captions"] for line in file]
    drawn = np.random.default_rng(SEED).permutation(len(rows))[: 2 * options.pairs]
    told: list[tuple[float, float, float]] = []
    for one, other in zip(drawn[: options.pairs], drawn[options.pairs :], strict=True):
        asked = [rows[one][0].strip(" .")]
        said = (detail(rows[one]), rows[other][0].strip(" ."), detail(rows[other]))
        told.append(
            (judge.relation(said[0], asked), judge.relation(said[1], asked), judge.relation(said[2], asked))
        )
    same, caption, foreign = np.array(told).T
    print("| bound | same picture goes on | other caption is new | other detail is new |")
    print("| --- | --- | --- | --- |")
    for bound in BOUNDS:
        shares = ((same >= bound).mean(), (caption < bound).mean(), (foreign < bound).mean())
        print(f"| {bound} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    print(f"\n{options.pairs} pairs, seed {SEED}, on {describe()}.")


if __name__ == "__main__":
    main()
