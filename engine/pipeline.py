"""One search, stage by stage: compose, recall, rerank, fetch, explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TypeAlias

from engine.calibration import Calibration
from engine.clock import Clock
from engine.models import Model
from engine.options import Options
from engine.paging import Cursor, asked_for, read_cursor, write_cursor
from engine.plan import Asked, choose, plan_filtered
from engine.query import Composed, check, compose, wanted_signal
from engine.ranking import RERANK_DEPTH, Ranking, Recalled, explained, order, recall
from engine.serving import Serving
from engine.shaping import Shaped, depth, shape
from engine.types import Alike, Hit, Item, Plan, Query, Result, Signal
from engine.verdict import is_plain, spared, sure

DIVERSIFIED = "the hits are in an order of diversity; their scores are as they were"
Fetch: TypeAlias = Callable[[Sequence[int]], dict[int, Item]]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a search reads."""

    serving: Serving
    fetch: Fetch  # items by id; those that are gone are left out
    open_picture: Callable[[int], bytes]


def answer(query: Query, options: Options, opened: Opened) -> Result:
    """Answer one query; see `SearchEngine.search`."""
    check(query)
    serving = opened.serving
    asked = asked_for(query, options)
    after = None if options.page is None else read_cursor(options.page, gallery=serving.gallery, asked=asked)
    model = serving.load()
    clock = Clock()
    with serving.model_lock:
        composed = compose(query, model.encoder, serving.store, opened.open_picture)
    clock.lap("encode")
    found, plan, after = _recalled(query, composed, options, after, serving, clock)
    known = model.calibration if is_plain(query, [found.signal]) else None
    no_match = known.no_match.says(found.cosines, _items(plan)) if known else None
    ranked, spared_notes = _reranked(found, composed, options, known, model, serving)
    clock.lap("rerank")
    count, sure_notes = sure(ranked.probabilities, len(ranked.ids), options.precision, serving.key)
    page = shape(
        ranked.ids[:count],
        ranked.scores[:count],
        options,
        shown=after.shown,
        look_alike=model.look_alike(found.kind),
        looks=partial(serving.store.looks, signal=found.signal),
    )
    hits = _hits(ranked, page, found.signal, options, after.hits, opened.fetch)
    clock.lap("fetch")
    if options.explain:
        with serving.model_lock:
            hits = explained(hits, found, composed, model.reranker)
        clock.lap("explain")
    notes = (*spared_notes, *sure_notes, *((DIVERSIFIED,) if options.diversity else ()))
    next_page = None
    if page.more and not no_match:
        following = Cursor(after.newest, after.hits + len(hits), after.shown | page.ids(ranked.ids))
        next_page = write_cursor(following, gallery=serving.gallery, asked=asked)
    return Result(
        hits=() if no_match else tuple(hits),
        timings=clock.milliseconds(),
        reranked=ranked.reranked,
        plan=plan,
        notes=notes,
        no_match=no_match,
        misses=tuple(hits) if no_match else (),
        next_page=next_page,
    )


def _items(plan: Plan) -> int:
    """Count the items searched; where no filter had to be counted they are at any rate many."""
    return plan.held if plan.allowed is None else plan.allowed


def _reranked(
    found: Recalled,
    composed: Composed,
    options: Options,
    known: Calibration | None,
    model: Model,
    serving: Serving,
) -> tuple[Ranking, tuple[str, ...]]:
    """Rerank what is worth it and within the budget, and note how long one candidate took."""
    candidates, notes = spared(found.candidates, options, known, serving.pace)
    with serving.model_lock:
        began = perf_counter()
        ranked = order(
            replace(found, candidates=candidates), composed, model.reranker if options.rerank else None
        )
        if ranked.reranked and candidates is not None:
            serving.pace.took(len(candidates), 1000 * (perf_counter() - began))
    return ranked, notes


def _recalled(
    query: Query, composed: Composed, options: Options, after: Cursor | None, serving: Serving, clock: Clock
) -> tuple[Recalled, Plan, Cursor]:
    """Recall among what a filter names and what was there when the first page was made."""
    generation = serving.generation
    with serving.view_lock:
        serving.refresh()
        after = after or Cursor(generation.newest, 0, frozenset())
        signal = wanted_signal(query, generation.held())
        view = generation.views.get(signal)
        index = view.index if view else None
        most = depth(options, len(after.shown), RERANK_DEPTH)
        if options.filter is not None:
            wanted = most + len(composed.exclude)
            asked = Asked(composed.vectors[signal], wanted, options.filter, after.newest)
            plan, planned = plan_filtered(asked, index, generation, serving.store)
        else:
            plan, planned = choose(index, after.allowed() if generation.newest > after.newest else None)
        clock.lap("filter")
        found = recall(view, signal, composed, planned, most)
    clock.lap("recall")
    return found, plan, after


def _hits(
    ranked: Ranking, page: Shaped, signal: Signal, options: Options, before: int, fetch: Fetch
) -> list[Hit]:
    """Describe the hits of a page, `before` which so many were; another process may have removed some."""
    items = fetch(list(page.ids(ranked.ids)))
    hits: list[Hit] = []
    for place in page.places.tolist():
        item = items.get(int(ranked.ids[place]))
        if item is not None:
            rank = before + len(hits) + 1
            hit = ranked.hit(place, rank, item, signal=signal, explain=options.explain)
            behind = [(items.get(int(ranked.ids[one.place])), one) for one in page.behind.get(place, ())]
            alike = tuple(Alike(item, one.likeness, one.exact) for item, one in behind if item is not None)
            hits.append(replace(hit, alike=alike))
    return hits
