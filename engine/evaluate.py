"""Measure retrieval: R@k and ranks with bootstrap intervals, and an engine's own search with them.

The usual protocol of image-text retrieval: a caption asks for its one picture; a picture asks for
its captions, and has found them when any one is in the first k.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from engine.errors import BadInput
from engine.options import MAX_K
from engine.types import Item, Part, Query

if TYPE_CHECKING:
    from engine.search import SearchEngine

CUTS = (1, 5, 10)
RESAMPLES = 1000
LATENCY_QUERIES = 200
NEAR = 100
BATCH = 64
Ranks: TypeAlias = npt.NDArray[np.int64]
Progress: TypeAlias = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """A picture (its file or bytes) and the captions people gave it."""

    key: str
    picture: Path | bytes
    captions: tuple[str, ...]


def recall_table(ranks: Ranks) -> dict[str, float]:
    """Return R@1, R@5, R@10 in percent, and mean and median rank, of 1-based ranks (n,)."""
    table = {f"R@{k}": 100 * float((ranks <= k).mean()) for k in CUTS}
    return {**table, "mean_rank": float(ranks.mean()), "median_rank": float(np.median(ranks))}


def bootstrap(ranks: Ranks, groups: npt.NDArray[np.int64], seed: int) -> dict[str, list[float]]:
    """Return 95 % percentile intervals of R@k in percent, resampling whole groups.

    `groups` (n,) says which picture each query belongs to: captions of one picture are not
    independent. (Efron and Tibshirani, An Introduction to the Bootstrap, 1993.)
    """
    generator = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    sizes = np.bincount(groups, minlength=count)
    drawn = generator.integers(0, count, size=(RESAMPLES, count))  # (resamples, groups)
    intervals = {}
    for k in CUTS:
        hits = np.bincount(groups, weights=ranks <= k, minlength=count)
        values = 100 * hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        intervals[f"R@{k}"] = [float(value) for value in np.percentile(values, [2.5, 97.5])]
    return intervals


def evaluate(
    engine: SearchEngine,
    pairs: Iterable[CaptionedPicture],
    *,
    dataset: str,
    rerank: bool = True,
    diversity: float = 0.0,
    seed: int = 0,
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, object]:
    """Add captioned pictures to an empty gallery and ask it for each by the other.

    With a `diversity` above 0 it asks once more with that, as a stage of its own. Returns the document that
    `crosslight eval --json` prints. A rank past 10,000 counts as 10,001.
    """
    if len(engine):
        raise BadInput(f"{engine.path} has {len(engine)} items; evaluation needs an empty gallery")
    pictures, captions = _fill(engine, pairs, progress)
    queries = {
        "text_to_image": [(Query((Part(text=c.text),), "image"), {c.picture}) for c in captions],
        "image_to_text": [
            (Query((Part(picture=source),), "text"), {c.id for c in captions if c.picture == item_id})
            for item_id, source in pictures.items()
        ],
    }
    place = {item_id: n for n, item_id in enumerate(pictures)}
    groups = {
        "text_to_image": np.array([place[c.picture] for c in captions]),
        "image_to_text": np.arange(len(pictures)),
    }
    document: dict[str, object] = {
        "dataset": dataset,
        "items": {"pictures": len(pictures), "captions": len(captions)},
        "model": engine.model,
    }
    intervals: dict[str, dict[str, dict[str, list[float]]]] = {}
    for stage, options in _stages(rerank, diversity).items():
        ranks = {
            direction: _ranks(engine, asked, options, _named(progress, f"{stage} {direction}"))
            for direction, asked in queries.items()
        }
        document[stage] = {direction: recall_table(found) for direction, found in ranks.items()}
        intervals[stage] = {d: bootstrap(found, groups[d], seed) for d, found in ranks.items()}
    sample = np.random.default_rng(seed).permutation(len(captions))[:LATENCY_QUERIES]
    texts = [queries["text_to_image"][n][0] for n in sample]
    return {**document, "intervals": intervals, "latency_ms": _latency(engine, texts, rerank), "seed": seed}


class _Options(TypedDict, total=False):
    rerank: bool
    diversity: float


@dataclass(frozen=True, slots=True)
class _Caption:
    id: int
    text: str
    picture: int


def _fill(
    engine: SearchEngine, pairs: Iterable[CaptionedPicture], progress: Progress
) -> tuple[dict[int, Path | bytes], list[_Caption]]:
    """Add the pairs; one whose picture cannot be read is left out with its captions."""
    kept = list(pairs)
    pictures: dict[int, Path | bytes] = {}
    captions: list[_Caption] = []
    for start in range(0, len(kept), BATCH):
        some = kept[start : start + BATCH]
        failed = engine.add(Item(f"picture:{pair.key}", picture=pair.picture) for pair in some).failed
        some = [pair for pair in some if f"picture:{pair.key}" not in failed]
        said = [
            (pair, f"caption:{pair.key}#{n}", text) for pair in some for n, text in enumerate(pair.captions)
        ]
        engine.add(Item(uri, "text", text) for _, uri, text in said)
        ids = {pair.key: engine.find(f"picture:{pair.key}").id or 0 for pair in some}
        pictures.update({ids[pair.key]: pair.picture for pair in some})
        captions += [_Caption(engine.find(uri).id or 0, text, ids[pair.key]) for pair, uri, text in said]
        progress("index", min(start + BATCH, len(kept)), len(kept))
    if not captions:
        raise BadInput(f"of {len(kept)} pictures none can be read and has a caption to evaluate with")
    return pictures, captions


def _stages(rerank: bool, diversity: float) -> dict[str, _Options]:
    """Name the stages to measure, and what a search of each is asked with."""
    stages: dict[str, _Options] = {"recall": {"rerank": False}}
    if rerank:
        stages["reranked"] = {"rerank": True}
    if diversity:
        stages["diverse"] = {"rerank": rerank, "diversity": diversity}
    return stages


def _ranks(
    engine: SearchEngine,
    asked: Sequence[tuple[Query, set[int]]],
    options: _Options,
    progress: Callable[[int, int], None],
) -> Ranks:
    ranks = np.empty(len(asked), dtype=np.int64)
    for place, (query, wanted) in enumerate(asked):
        for k in (NEAR, MAX_K):  # nearly all are near, and fetching thousands of items takes long
            found = engine.search(query, k=k, **options)
            ranks[place] = next(
                (hit.rank for hit in found.hits or found.misses if hit.item.id in wanted), MAX_K + 1
            )
            if ranks[place] <= k:
                break
        progress(place + 1, len(asked))
    return ranks


def _named(progress: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(stage, done, total)


def _latency(engine: SearchEngine, queries: Sequence[Query], rerank: bool) -> dict[str, float]:
    """Return percentiles of whole searches for 10 hits, in milliseconds."""
    totals = [engine.search(query, k=10, rerank=rerank).timings["total"] for query in queries]
    return {"p50": float(np.percentile(totals, 50)), "p95": float(np.percentile(totals, 95))}
