"""German queries beside English ones, of the same photographs.

    python -m bench.german --data DIR [--rerank] [--asked N]

DIR holds `flickr8k/flickr8k-val-00.tar`, a webdataset of 1,000 photographs with English captions, and
`flickr8k/flickr8k-val-de.jsonl`, German captions of 934 of them. All 1,000 are the gallery; asked are the
captions of the 934, five in each language, or of N of them. Prints the tables of docs/languages.md, with 95 %
intervals: what is found, and how far probabilities and `no_match` hold in each language.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.machine import describe
from engine.calibration import DEEPEST, read_calibration
from engine.encoders.mini import load_mini
from engine.encoders.weights import bundled_mini
from engine.evaluate import CUTS, Ranks, bootstrap, recall_table
from engine.types import Floats
from training.calibrate import calibration_error, shown
from training.data import SEED, read_photos, select
from training.gallery import TEXT_TO_IMAGE
from training.measure import encode_photos, rank

GERMAN = "flickr8k/flickr8k-val-de.jsonl"
DRAWS = 1000


def nearest(texts: Floats, pictures: Floats, owner: Ranks) -> Ranks:
    """Rank, from 1, each text's own picture among all by cosine."""
    scores = texts @ pictures.T
    ranks: Ranks = 1 + (scores > scores[np.arange(len(scores)), owner][:, None]).sum(axis=1)
    return ranks


def rows(name: str, ranks: Mapping[str, Ranks], asked: Ranks) -> list[str]:
    """Lay the ranks of each stage out as rows of Markdown."""
    lines = []
    for stage, found in ranks.items():
        table, ranges = recall_table(found), bootstrap(found, asked, SEED)
        cells = [f"{table[f'R@{k}']:.1f} ({'-'.join(f'{v:.1f}' for v in ranges[f'R@{k}'])})" for k in CUTS]
        lines.append(f"| {name} | {stage} | {' | '.join(cells)} |")
    return lines


def false_alarms(texts: Floats, pictures: Floats) -> float:
    """Tell how many percent of the texts, whose picture is there, are told that nothing matches."""
    known = read_calibration(bundled_mini())
    assert known is not None
    nearest = -np.sort(-(texts @ pictures.T), axis=1)[:, :DEEPEST]
    return 100 * float(np.mean([known.no_match.says(row, len(pictures)) for row in nearest]))


def ratio(german: Ranks, english: Ranks, photos: int) -> str:
    """Write German R@10 as a share of the English one; photographs are drawn again, both languages along."""
    hits = np.stack([(found <= 10).reshape(photos, -1).mean(1) for found in (german, english)])  # (2, photos)
    drawn = np.random.default_rng(SEED).integers(photos, size=(DRAWS, photos))
    shares = hits[0][drawn].mean(1) / hits[1][drawn].mean(1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return f"{hits[0].mean() / hits[1].mean():.3f} ({low:.3f}-{high:.3f})"


def main() -> None:
    """Measure both languages with mini, and German with mini-de."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rerank", action="store_true", help="measure the second stage too")
    parser.add_argument("--asked", type=int, help="ask for so many photographs, drawn by seed; default all")
    options = parser.parse_args()
    data = options.data
    photos = read_photos(data)
    chosen = [photos[i] for i in select(photos, "val", "flickr8k")]
    lines = (data / GERMAN).read_text("utf-8").splitlines()
    german = {row["key"]: row["captions"] for row in map(json.loads, lines)}
    places = [place for place, photo in enumerate(chosen) if photo.key in german]
    if options.asked:
        places = np.sort(np.random.default_rng(SEED).permutation(places)[: options.asked]).tolist()
    mini, reranker = load_mini()
    pictures, _, _ = encode_photos(mini, chosen)
    captions = {
        "English": [text for place in places for text in chosen[place].captions],
        "German": [text for place in places for text in german[chosen[place].key]],
    }
    owner, asked = np.repeat(places, 5), np.repeat(np.arange(len(places)), 5)
    models = {"mini": mini, "mini-de": load_mini(words=bundled_mini("mini-de"))[0]}
    found: dict[str, dict[str, Ranks]] = {}
    sure: list[str] = []
    print("| model, language | stage | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- | --- |")
    for key, language in (("mini", "English"), ("mini", "German"), ("mini-de", "German")):
        texts = models[key].encode_text(captions[language])
        name = f"`{key}`, {language}"
        found[name] = {"recall": nearest(texts.vectors, pictures.vectors, owner)}
        sure.append(f"| {name} | {false_alarms(texts.vectors, pictures.vectors):.1f} % |")
        if options.rerank:
            ranked = rank(reranker, pictures, texts, owner, TEXT_TO_IMAGE)
            found[name]["reranked"] = 1 + ranked.after
            sure[-1] += f" {calibration_error(*shown(ranked.chances, ranked.relevant)):.3f} |"
        print("\n".join(rows(name, found[name], asked)), flush=True)
    heads = ["model, language", "told that nothing matches, though it does"]
    heads += ["calibration error"] if options.rerank else []
    print("\n".join([f"\n| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *sure]))
    for stage in found["`mini`, English"]:
        shares = ratio(found["`mini-de`, German"][stage], found["`mini`, English"][stage], len(places))
        print(f"\nGerman R@10 by mini-de is {shares} of English R@10 by mini, {stage}.")
    print(f"\n{len(chosen)} photographs, {len(places)} asked for, seed {SEED}, on {describe()}.")


if __name__ == "__main__":
    main()
