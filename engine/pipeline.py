"""One search, stage by stage: compose, recall, rerank, fetch, explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, RLock
from typing import TypeAlias

from engine.clock import Clock
from engine.generation import Generation
from engine.models import Model
from engine.options import Options
from engine.plan import choose
from engine.query import Composed, check, compose, wanted_signal
from engine.ranking import RERANK_DEPTH, Ranking, Recalled, explained, order, recall
from engine.store import Store
from engine.types import Hit, Item, Plan, Query, Result, Signal

Fetch: TypeAlias = Callable[[Sequence[int]], dict[int, Item]]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a search reads. The model runs under one lock, the generation is read under another."""

    store: Store
    model: Model
    model_lock: Lock
    generation: Generation
    view_lock: RLock
    fetch: Fetch  # items by id; those that are gone are left out
    open_picture: Callable[[int], bytes]


def answer(query: Query, options: Options, opened: Opened) -> Result:
    """Answer one query; see `SearchEngine.search`."""
    check(query)
    clock = Clock()
    with opened.model_lock:
        composed = compose(query, opened.model.encoder, opened.store, opened.open_picture)
    clock.lap("encode")
    found, plan = _recalled(query, composed, options, opened, clock)
    with opened.model_lock:
        ranked = order(found, composed, opened.model.reranker if options.rerank else None)
    clock.lap("rerank")
    hits = _hits(ranked.first(options.k), found.signal, options, opened.fetch)
    clock.lap("fetch")
    if options.explain:
        with opened.model_lock:
            hits = explained(hits, found, composed, opened.model.reranker)
        clock.lap("explain")
    return Result(tuple(hits), clock.milliseconds(), ranked.reranked, plan)


def _recalled(
    query: Query, composed: Composed, options: Options, opened: Opened, clock: Clock
) -> tuple[Recalled, Plan]:
    generation = opened.generation
    with opened.view_lock:
        generation.catch_up(opened.store)
        bitmap = None if options.filter is None else generation.bitmap(options.filter, opened.store)
        clock.lap("filter")
        signal = wanted_signal(query, generation.held())
        view = generation.views.get(signal)
        plan, planned = choose(view.index if view else None, bitmap)
        found = recall(view, signal, composed, planned, max(options.k, RERANK_DEPTH))
    clock.lap("recall")
    return found, plan


def _hits(ranked: Ranking, signal: Signal, options: Options, fetch: Fetch) -> list[Hit]:
    items = fetch(ranked.ids.tolist())
    hits: list[Hit] = []
    for place, item_id in enumerate(ranked.ids.tolist()):
        if item_id in items:  # another process may have removed it a moment ago
            item, rank = items[item_id], len(hits) + 1
            hits.append(ranked.hit(place, rank, item, signal=signal, explain=options.explain))
    return hits
