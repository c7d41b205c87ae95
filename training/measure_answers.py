"""How well the bundle knows its own answers, on validation photographs that nothing was fitted on.

    python -m training.measure_answers --data DIR

Writes into the model card how well queries that match nothing are told from those that do, by the size
of the gallery and by what was taken out of it, and what it costs not to rerank where the first leads.
Intervals are 95 % bootstrap over queries.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.calibration import MIDDLE, Calibration, NoMatch, read_calibration
from engine.encoders.mini import load_mini
from engine.encoders.weights import bundled_mini
from engine.fusion_reranker import FusionReranker
from engine.types import Candidates
from training.data import SEED, read_photos, select
from training.evidence import Asked, Bools, Samples, ask, encode, samples
from training.gallery import DEPTH, Floats
from training.measure import SETS

log = logging.getLogger("training")
SIZES = (20, 100, 400, 999)
QUERIES = 1500
RERANKED = 1000
MARKS = "<!-- answers -->", "<!-- end of answers -->"
NONSENSE = (
    "asdfgh qwertz uiop", "lorem ipsum dolor sit amet", "xkcd zzyzx plugh", "0x7f3a 0b1101 null",
    "!!! ??? ok", "quarterly tax return for the fiscal year", "git rebase onto the release branch",
    "the square root of two", "an invoice over two hundred euros", "chapter seven, appendix b",
    "public static void main", "error 404", "the theory of general relativity",
    "a decline in consumer confidence", "the constitution of Finland", "photosynthesis in cyanobacteria",
    "a sonnet about regret", "inflation fell to two percent", "terms and conditions apply",
    "the third movement of a symphony", "a proof by induction", "an electron microscope image of a virus",
    "a satellite map of the Sahara", "an x-ray of a broken wrist", "the surface of Mars",
    "a bar chart of monthly sales", "a submarine under the ice", "a medieval manuscript",
    "the inside of a nuclear reactor", "a galaxy seen through a telescope", "a chemical formula",
    "a circuit diagram", "sheet music for piano", "a passport", "a screenshot of a spreadsheet",
    "hieroglyphs on papyrus", "a dinosaur skeleton", "a space station in orbit",
    "a volcano erupting at night", "an octopus on the sea floor",
)  # fmt: skip


def separation(none: Floats, match: Floats) -> float:
    """AUROC: the chance that a query that matches scores higher than one that matches nothing."""
    both = np.concatenate([none, match])
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    n = len(match)
    return float((ranks[len(none) :].sum() - n * (n + 1) / 2) / (n * len(none)))


def interval(none: Floats, match: Floats) -> tuple[float, float]:
    """Bootstrap the separation over queries."""
    rng = np.random.default_rng(SEED)

    def drawn(values: Floats) -> Floats:
        return values[rng.integers(len(values), size=len(values))]

    draws = [separation(drawn(none), drawn(match)) for _ in range(300)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def scored(judge: NoMatch, found: Samples) -> tuple[Floats, Bools]:
    """Score samples, and say which are told to match nothing."""
    sizes = np.log(np.minimum(found.items, judge.sizes[-1]) / MIDDLE)
    scores = (found.evidence * (np.array(judge.weights) + np.outer(sizes, judge.slopes))).sum(1)
    thresholds = np.interp(sizes, np.log(np.array(judge.sizes) / MIDDLE), judge.thresholds)
    return scores.astype(np.float32), scores < thresholds


def rows(name: str, judge: NoMatch, own: Samples, foreign: Samples) -> list[str]:
    """Write one set's figures, a row for each size and each kind of nothing."""
    lines = []
    scores, told = scored(judge, own)
    others, told_others = scored(judge, foreign)
    for size in sorted(set(own.items.tolist())):
        here = own.items == size
        match = here & own.matches
        kinds = {
            "its own picture taken out": (scores, told, here & own.removed),
            "all that match taken out": (scores, told, here & ~own.matches & ~own.removed),
            "asked of the other set": (others, told_others, foreign.items == size),
        }
        for kind, (values, says, some) in kinds.items():
            low, high = interval(values[some], scores[match])
            figures = f"{separation(values[some], scores[match]):.2f} ({low:.2f}-{high:.2f})"
            shares = f"{100 * says[some].mean():.0f} % | {100 * told[match].mean():.1f} %"
            lines.append(f"| {name} | {size} | {kind} | {figures} | {shares} |")
    return lines


def leads(reranker: FusionReranker, asked: Asked, lead: float) -> tuple[float, float, float]:
    """Return R@1 in percent with every query reranked, with leaders left alone, and the share of leaders."""
    first, sparing, spared = [], [], []
    for query in np.random.default_rng(SEED).permutation(len(asked.cosines))[:RERANKED].tolist():
        order = np.argsort(-asked.cosines[query], kind="stable")[:DEPTH]
        recall, pictures = asked.cosines[query, order], asked.pictures
        assert pictures.tokens is not None and pictures.lengths is not None
        candidates = Candidates("image", order, recall, pictures.tokens[order], pictures.lengths[order])
        parts = reranker.score(asked.texts.row(int(asked.rows[query])), "text", candidates)
        best = int(np.stack(list(parts.values())).sum(0).argmax())
        spared.append(recall[0] - recall[1] >= lead)
        first.append(order[best] == asked.owner[query])
        sparing.append(order[0 if spared[-1] else best] == asked.owner[query])
    shares = [100 * float(np.mean(some)) for some in (first, sparing, spared)]
    return shares[0], shares[1], shares[2]


def measure(data: Path, known: Calibration) -> str:
    """Measure on both validation sets, as Markdown."""
    encoder, reranker = load_mini()
    photos, rng = read_photos(data), np.random.default_rng(SEED)
    chosen = {name: [photos[i] for i in select(photos, "val", group)] for name, group in SETS.items()}
    asked = encode(encoder, [photo for some in chosen.values() for photo in some])
    sets = np.repeat(list(chosen), [len(some) for some in chosen.values()])
    lines = [
        "| set | items | matches nothing: | AUROC | told so | told so though it matches |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    notes = []
    nonsense = encoder.encode_text(NONSENSE).vectors
    for name in chosen:
        mine, own = sets == name, sets[asked.owner] == name
        place = np.cumsum(mine) - 1
        inside = ask(asked, own, mine, place[asked.owner[own]])
        foreign = samples(ask(asked, ~own, mine), SIZES, QUERIES, rng)
        lines += rows(name, known.no_match, samples(inside, SIZES, QUERIES, rng), foreign)
        cosines = -np.sort(-nonsense @ inside.pictures.vectors.T, axis=1)
        told = sum(bool(known.no_match.says(row, len(mine))) for row in cosines)
        reranked, sparing, share = leads(reranker, inside, known.lead)
        notes += [
            f"{name}: of {len(NONSENSE)} queries that no photograph answers, {told} are told so among all "
            f"{mine.sum():,}.",
            f"R@1 over {RERANKED:,} queries is {reranked:.1f} with all reranked, and {sparing:.1f} with the "
            f"{share:.1f} % left alone whose first hit leads by {known.lead} or more.",
            "",
        ]
        log.info("\n".join([*lines[-12:], *notes[-3:]]))
    return "\n".join([*lines, "", *notes])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the tables into the model card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    known = read_calibration(bundled_mini())
    assert known is not None, "run python -m training.answers first"
    figures = measure(options.data, known)
    card = bundled_mini() / "README.md"
    before, _, rest = card.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    card.write_text(f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
