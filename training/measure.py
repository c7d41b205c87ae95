"""Stage 11, measure: the figures of the model card, from the weights that ship.

    python -m training.measure --data DIR

Plain NumPy over the full matrix of captions and photographs; reranking reads the best 100 of
recall, as the engine does. Intervals are 95 % bootstrap over photographs, captions going along.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.encoders.mini import MiniEncoder, load_mini
from engine.encoders.weights import bundled_mini
from engine.fusion_reranker import FusionReranker
from engine.rerank import Candidates, Read
from engine.types import Encoded, Kind
from training import reliability_plot
from training.calibrate import calibration_error, reliability, shown
from training.data import SEED, Photo, read_photos, read_picture, select
from training.gallery import DEPTH, DIRECTIONS, IMAGE_TO_TEXT, TEXT_TO_IMAGE, Floats, Ints

log = logging.getLogger("training")
CUTS = (1, 5, 10)
SETS = {"Flickr8k val": "flickr8k", "COCO val": "coco"}
KINDS: dict[str, tuple[Kind, Kind]] = {TEXT_TO_IMAGE: ("text", "image"), IMAGE_TO_TEXT: ("image", "text")}
MARKS = "<!-- figures -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Ranked:
    """The lists of one direction after reranking, and the rank (from 0) of the first right answer.

    `gone` (q,) is the best probability where the right answers are not in the gallery.
    """

    before: Ints
    after: Ints
    chances: Floats
    relevant: npt.NDArray[np.bool_]
    gone: Floats
    milliseconds: float


def encode_pictures(encoder: MiniEncoder, photos: Sequence[Photo]) -> Encoded:
    """Encode photographs, without their captions."""
    parts = [encoder.encode_image([read_picture(photo)]) for photo in photos]
    return Encoded(
        np.concatenate([p.vectors for p in parts]),
        np.concatenate([p.tokens for p in parts if p.tokens is not None]),
        np.concatenate([p.lengths for p in parts if p.lengths is not None]),
    )


def encode_photos(encoder: MiniEncoder, photos: Sequence[Photo]) -> tuple[Encoded, Encoded, Ints]:
    """Encode photographs and their captions, and tell which photograph each caption is of."""
    texts = encoder.encode_text([caption for photo in photos for caption in photo.captions])
    owner = np.repeat(np.arange(len(photos)), [len(photo.captions) for photo in photos])
    return encode_pictures(encoder, photos), texts, owner


def _take(encoded: Encoded, chosen: Ints) -> Encoded:
    assert encoded.tokens is not None and encoded.lengths is not None
    return Encoded(encoded.vectors[chosen], encoded.tokens[chosen], encoded.lengths[chosen])


def rank(reranker: FusionReranker, pictures: Encoded, texts: Encoded, owner: Ints, direction: str) -> Ranked:
    """Answer every query of one direction, by recall alone and with its best DEPTH reranked."""
    kind, wanted = KINDS[direction]
    queries, items = (texts, pictures) if kind == "text" else (pictures, texts)
    recall = queries.vectors @ items.vectors.T  # (q, n)
    before, after, chances, relevant, gone = [], [], [], [], []
    began = time.perf_counter()
    for query, row in enumerate(recall):
        right = np.arange(len(items)) == owner[query] if kind == "text" else owner == query
        order = np.argsort(-row, kind="stable")
        best = _take(items, order[:DEPTH])
        assert best.tokens is not None and best.lengths is not None
        candidates = Candidates(wanted, order[:DEPTH], row[order[:DEPTH]], best.tokens, best.lengths)
        parts = reranker.score(Read(kind, "", queries.row(query)), candidates)
        scores: Floats = np.stack(list(parts.values())).sum(0)
        again = np.argsort(-scores, kind="stable")
        hits = right[order[again]]
        found = reranker.probability(scores[again], kind, wanted, len(items))
        others = reranker.probability(scores[again][~hits], kind, wanted, len(items) - int(right.sum()))
        assert found is not None and others is not None
        before.append(int(right[order].argmax()))
        after.append(int(right[np.concatenate([order[again], order[DEPTH:]])].argmax()))
        chances.append(found)
        relevant.append(hits)
        gone.append(others.max())
    spent = 1000 * (time.perf_counter() - began) / len(recall)
    return Ranked(
        np.array(before), np.array(after), np.stack(chances), np.stack(relevant), np.array(gone), spent
    )


def recall_at(ranks: Ints) -> dict[int, float]:
    """Turn ranks into R@1, R@5 and R@10, in percent."""
    return {k: 100 * float((ranks < k).mean()) for k in CUTS}


def interval(hits: npt.NDArray[np.bool_] | npt.NDArray[np.float64], photo: Ints) -> tuple[float, float]:
    """Bootstrap the mean of hits, or of their differences, in percent; queries of one photograph go along."""
    rng = np.random.default_rng(SEED)
    sums = np.bincount(photo, hits).astype(float)
    counts = np.bincount(photo).astype(float)
    draws = rng.integers(len(sums), size=(1000, len(sums)))
    means = 100 * sums[draws].sum(1) / counts[draws].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def separation(none: Floats, match: Floats) -> float:
    """AUROC: the chance that a query that matches scores higher than one that matches nothing."""
    both = np.concatenate([none, match])
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    n = len(match)
    return float((ranks[len(none) :].sum() - n * (n + 1) / 2) / (n * len(none)))


def table(name: str, results: dict[str, Ranked], owner: Ints) -> list[str]:
    """Write one set's figures as rows of Markdown."""
    rows = []
    for direction, ranked in results.items():
        photo = owner if direction == TEXT_TO_IMAGE else np.arange(len(ranked.before))
        for stage, ranks in (("recall", ranked.before), ("reranked", ranked.after)):
            cells = [
                f"{value:.1f} ({low:.1f}-{high:.1f})"
                for k, value in recall_at(ranks).items()
                for low, high in [interval(ranks < k, photo)]
            ]
            rows.append(f"| {name} | {direction} | {stage} | {' | '.join(cells)} |")
    return rows


def notes(name: str, results: dict[str, Ranked]) -> list[str]:
    """Write one set's calibration and speed as rows of Markdown."""
    rows = []
    for direction, ranked in results.items():
        error = calibration_error(*shown(ranked.chances, ranked.relevant))
        apart, spent = separation(ranked.gone, ranked.chances.max(1)), ranked.milliseconds
        rows.append(f"| {name} | {direction} | {error:.3f} | {apart:.2f} | {spent:.0f} |")
    return rows


def measure(data: Path) -> tuple[str, dict[str, Floats]]:
    """Measure the shipped weights on both validation sets: tables in Markdown, and lines of reliability."""
    encoder, reranker = load_mini()
    photos = read_photos(data)
    recalls = [
        "| set | direction | stage | R@1 | R@5 | R@10 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    others = [
        "| set | direction | calibration error | AUROC of no match | ms a query |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines: dict[str, Floats] = {}
    for name, group in SETS.items():
        chosen = [photos[i] for i in select(photos, "val", group)]
        pictures, texts, owner = encode_photos(encoder, chosen)
        results = {d: rank(reranker, pictures, texts, owner, d) for d in DIRECTIONS}
        recalls += table(name, results, owner)
        others += notes(name, results)
        for direction, ranked in results.items():
            lines[f"{name}, {direction}"] = reliability(*shown(ranked.chances, ranked.relevant))
        log.info("\n".join([*recalls[-4:], *others[-2:]]))
    return "\n".join([*recalls, "", *others, "", f"Weights {reranker.stamp}, seed {SEED}."]), lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the tables and the plot of the model card."""
    parser = argparse.ArgumentParser(
        description="Measure the shipped weights and write the model card's tables and its plot."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    figures, lines = measure(chosen.data)
    card = bundled_mini() / "README.md"
    before, _, rest = card.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    card.write_text(f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}", encoding="utf-8")
    try:
        reliability_plot.draw(lines, card.with_name("reliability.svg"))
    except ModuleNotFoundError:
        log.info("reliability.svg is that of before: matplotlib draws it, pip install 'crosslight[bench]'")


if __name__ == "__main__":
    main()
