"""How well the bundle knows its own answers, on validation photographs that nothing was fitted on.

    python -m training.measure_answers --data DIR

Writes into the model card how well queries that match nothing are told from those that do, by the size
of the gallery and by what was taken out of it, how far probabilities are off by its size, and what it
costs not to rerank where the first leads.
Intervals are 95 % bootstrap over queries.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.calibration import MIDDLE, Calibration, NoMatch, read_calibration
from engine.encoders.mini import load_mini
from engine.encoders.weights import bundled_mini
from engine.fusion_reranker import AMONG, FusionReranker
from engine.hybrid import read_learnings
from training.calibrate import SHOWN, calibration_error
from training.data import SEED, read_photos, select
from training.evidence import Bools, Samples, ask, encode, samples, summed
from training.gallery import Floats
from training.judged import Judged, judge
from training.measure import SETS, separation
from training.worded import SHARES, worded

log = logging.getLogger("training")
SIZES = (20, 100, 400, 999)
GALLERIES = (20, 100, 300, 400, 1000)
QUERIES = 1000
RERANKED = 200
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


def rows(name: str, judge: NoMatch, own: Samples, foreign: Samples | None = None) -> list[str]:
    """Write one set's figures, a row for each size and each kind of nothing."""
    lines = []
    scores, told = scored(judge, own)
    others, told_others = scored(judge, own if foreign is None else foreign)
    for size in sorted(set(own.items.tolist())):
        here = own.items == size
        match = here & own.matches
        kinds = {
            "its own picture taken out": (scores, told, here & own.removed),
            "all that match taken out": (scores, told, here & ~own.matches & ~own.removed),
        }
        if foreign is not None:
            kinds["asked of the other set"] = (others, told_others, foreign.items == size)
        for kind, (values, says, some) in kinds.items():
            low, high = interval(values[some], scores[match])
            figures = f"{separation(values[some], scores[match]):.2f} ({low:.2f}-{high:.2f})"
            shares = f"{100 * says[some].mean():.0f} % | {100 * told[match].mean():.1f} %"
            lines.append(f"| {name} | {size} | {kind} | {figures} | {shares} |")
    return lines


def leads(found: Judged, lead: float) -> tuple[float, float, float]:
    """Return R@1 in percent with every query reranked, with leaders left alone, and the share of leaders."""
    spared = found.lead >= lead
    right = np.where(spared, found.first_is_right, found.right[:, 0])
    shares = [100 * float(np.mean(some)) for some in (found.right[:, 0], right, spared)]
    return shares[0], shares[1], shares[2]


def chances(name: str, reranker: FusionReranker, found: Judged) -> list[str]:
    """Write how far probabilities are off by the size of the gallery, with it in mind and without."""
    lines = []
    for size in sorted(set(found.items.tolist())):
        here = found.of_size(size)
        errors = []
        for among in (AMONG, size):
            lists = (row[np.isfinite(row)] for row in here.scores)
            told = np.stack([_shown(reranker.probability(row, "text", "image", int(among))) for row in lists])
            errors.append(f"{calibration_error(told.ravel(), here.right[:, :SHOWN].ravel()):.3f}")
        best = f"{100 * told[:, 0].mean():.0f} % | {100 * here.right[:, 0].mean():.0f} %"
        lines.append(f"| {name} | {size} | {' | '.join(errors)} | {best} |")
    return lines


def _shown(chances: Floats | None) -> Floats:
    assert chances is not None
    return chances[:SHOWN]


@dataclass
class Tables:
    """The rows of the tables, as they are measured."""

    nothing: list[str] = field(default_factory=list)
    summed: list[str] = field(default_factory=list)
    worded: list[str] = field(default_factory=list)
    chances: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        head = (
            "| set | items | matches nothing: | AUROC | told so | told so though it matches |\n"
            + 6 * "| --- "
        )
        probable = (
            "| set | items | calibration error as among 1,000 | with the size in mind | mean probability of "
            "the first | first is right |\n" + 6 * "| --- "
        )
        tables = ((head, self.nothing), (head, self.summed), (head, self.worded), (probable, self.chances))
        told = (
            "Pictures alone:",
            "Sums of two captions of a picture, asked of pictures alone:",
            "Pictures of which some, or all, have captions:",
            "Probabilities of the ten hits shown:",
        )
        parts = [
            "\n".join([name, "", f"{top}|", *lines]) for name, (top, lines) in zip(told, tables, strict=True)
        ]
        return "\n\n".join([*parts, *self.notes])


def measure(data: Path, known: Calibration, distractors: int, only: str | None = None) -> str:
    """Measure on both validation sets, or on one alone, as Markdown."""
    encoder, reranker = load_mini()
    balance = read_learnings(bundled_mini() / "config.json")["text", "image"].recall
    photos, rng = read_photos(data), np.random.default_rng(SEED)
    groups = {name: group for name, group in SETS.items() if only in (None, group)}
    chosen = {name: [photos[i] for i in select(photos, "val", group)] for name, group in groups.items()}
    every = [photo for some in chosen.values() for photo in some]
    others = rng.permutation(select(photos, "train"))[:distractors].tolist()
    asked = encode(encoder, [*every, *(photos[i] for i in others)], asking=len(every))
    log.info("encoded %d photographs", len(every) + distractors)
    sets = np.array([name for name, some in chosen.items() for _ in some] + [""] * distractors)
    nonsense = encoder.encode_text(NONSENSE).vectors
    tables = Tables()
    for name, some in chosen.items():
        mine, own = sets == name, sets[asked.owner] == name
        place = np.cumsum(mine) - 1
        inside = ask(asked, own, mine, place[asked.owner[own]])
        asking = [inside, *([ask(asked, ~own, mine)] if len(chosen) > 1 else [])]
        tables.nothing += rows(name, known.no_match, *(samples(one, SIZES, QUERIES, rng) for one in asking))
        sums = samples(summed(inside), SIZES, QUERIES // 2, rng)
        tables.summed += rows(name, known.no_match, sums)
        if known.with_words is not None:
            said = [worded(encoder, some, one, balance, rng) for one in asking]
            for which in (0, -1):
                both = zip(asking, said, strict=True)
                found = [samples(one, SIZES, QUERIES, rng, says[which]) for one, says in both]
                shown = f"{name}, {SHARES[which]:.0%} captioned"
                tables.worded += rows(shown, known.with_words, *found)
        judged = judge(reranker, inside, GALLERIES, RERANKED, rng)
        tables.chances += chances(name, reranker, judged)
        if distractors:
            beside = mine | (sets == "")
            place = np.cumsum(beside) - 1
            large = ask(asked, own, beside, place[asked.owner[own]])
            large_judged = judge(reranker, large, (int(beside.sum()),), RERANKED, rng)
            tables.chances += chances(name, reranker, large_judged)
        whole = judged.of_size(int(judged.items.max()))
        reranked, sparing, share = leads(whole, known.lead)
        nearest = -np.sort(-(nonsense @ asked.pictures.vectors[mine].T), axis=1)
        told = sum(bool(known.no_match.says(row, len(row))) for row in nearest)
        tables.notes += [
            f"{name}: of {len(NONSENSE)} queries that no photograph answers, {told} are told so among all "
            f"{mine.sum():,}. R@1 over {len(whole.items):,} queries is {reranked:.1f} with all reranked, and "
            f"{sparing:.1f} with the {share:.1f} % left alone whose first hit leads by {known.lead} or more."
        ]
        log.info("%s\n%s", name, tables)
    return str(tables)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the tables into the model card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared"), help="folder that holds the tars")
    told = "training photographs to put beside each set as wrong answers, to measure probabilities there too"
    parser.add_argument("--distractors", type=int, default=0, help=told)
    parser.add_argument("--set", choices=SETS.values(), help="measure this one alone, and only print it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    known = read_calibration(bundled_mini())
    assert known is not None, "run python -m training.answers first"
    figures = measure(options.data, known, options.distractors, options.set)
    if options.set:
        print(figures)
        return
    card = bundled_mini() / "README.md"
    before, _, rest = card.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    card.write_text(f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
