"""What a model finds when it is asked in each of 77 languages: Tux Paint's stamps, described by volunteers.

    apt-get download tuxpaint-stamps-default && dpkg -x tuxpaint-stamps-default_*.deb stamps
    python -m bench.languages --data stamps/usr/share/tuxpaint/stamps [--queries N]

Up to N descriptions are drawn in each language. A picture is found when it, or another of the same
description, is among the first k of all pictures by cosine, without reranking. Letters and signs
(`symbols`) are left out. Prints the table of docs/languages.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.machine import describe
from engine.encoders import Encoder
from engine.evaluate import Ranks, bootstrap, recall_table
from engine.models import load_model
from engine.pictures import load_picture
from engine.types import Floats

SEED = 0
ENGLISH = "en"


def read_stamps(folder: Path) -> dict[Path, dict[str, str]]:
    """List the pictures, each with its description by language."""
    stamps = {}
    for path in sorted(folder.rglob("*.png")):
        told = path.with_suffix(".txt")
        if told.exists() and "symbols" not in path.relative_to(folder).parts:
            stamps[path] = _descriptions(told.read_text("utf-8"))
    if not stamps:
        raise SystemExit(f"no .png with a .txt beside it below {folder}")
    return stamps


def _descriptions(text: str) -> dict[str, str]:
    first, *others = text.strip().splitlines()
    pairs = (line.partition(".utf8=") for line in others)
    return {ENGLISH: first.strip()} | {tag: told.strip() for tag, _, told in pairs if told.strip()}


def encode_texts(encoder: Encoder, texts: Sequence[str]) -> dict[str, Floats]:
    """Encode each text once; those of a length together, so that little is padded."""
    ordered = sorted(set(texts), key=encoder.count_tokens)
    return dict(zip(ordered, encoder.encode_text(ordered).vectors, strict=True))


def draw(told: Sequence[str], queries: int) -> list[str]:
    """Draw descriptions of one language, each once."""
    known = sorted(set(told) - {""})
    drawn: list[str] = np.random.default_rng(SEED).permutation(known)[:queries].tolist()
    return drawn


def ranks(
    asked: Sequence[str], told: Sequence[str], pictures: Floats, vectors: Mapping[str, Floats]
) -> Ranks:
    """Rank, from 1, the best among all pictures of those that were `told` of in the words asked."""
    scores = np.stack([vectors[text] for text in asked]) @ pictures.T
    own = np.array([[text == other for other in told] for text in asked])
    best = np.where(own, scores, -1).max(axis=1, keepdims=True)
    found: Ranks = 1 + (scores > best).sum(axis=1)
    return found


def cells(found: Ranks) -> str:
    """Write R@1, and R@10 with its 95 % interval."""
    table, (low, high) = recall_table(found), bootstrap(found, np.arange(len(found)), SEED)["R@10"]
    return f"{table['R@1']:.1f} | {table['R@10']:.1f} ({low:.1f}-{high:.1f})"


def main() -> None:
    """Measure every language with every model, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="the folder of stamps")
    parser.add_argument("--models", nargs="+", default=["mini", "mini-de"])
    parser.add_argument("--queries", type=int, default=1000, help="descriptions to ask in each language")
    options = parser.parse_args()
    stamps = read_stamps(options.data)
    spoken = sorted({tag for told in stamps.values() for tag in told}, key=lambda tag: (tag != ENGLISH, tag))
    tags = {tag: [told.get(tag, "") for told in stamps.values()] for tag in spoken}
    asked = {tag: draw(told, options.queries) for tag, told in tags.items()}
    texts = [text for drawn in asked.values() for text in drawn]
    columns: dict[str, dict[str, str]] = {tag: {} for tag in tags}
    seen: dict[str, Floats] = {}  # by stamp: models of one space see the same
    for key in options.models:
        encoder = load_model(key).encoder
        if encoder.stamp not in seen:
            looks = [encoder.encode_image([load_picture(path).image]).vectors for path in stamps]
            seen[encoder.stamp] = np.concatenate(looks)
        print(f"{key}: {len(stamps)} pictures encoded", file=sys.stderr)
        vectors = encode_texts(encoder, texts)
        for tag, told in tags.items():
            columns[tag][key] = cells(ranks(asked[tag], told, seen[encoder.stamp], vectors))
    print("| language | asked | " + " | ".join(f"{key} R@1 | {key} R@10" for key in options.models) + " |")
    print("| --- | --- |" + " --- | --- |" * len(options.models))
    for tag in tags:
        print(
            f"| {tag} | {len(asked[tag])} | " + " | ".join(columns[tag][key] for key in options.models) + " |"
        )
    print(f"\n{len(stamps)} pictures, {len(tags)} languages with English; seed {SEED}, on {describe()}.")


if __name__ == "__main__":
    main()
