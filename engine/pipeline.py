"""One search, stage by stage: compose, recall, rerank, fetch, explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import TypeAlias

import numpy as np

from engine.calibration import Calibration
from engine.clock import Clock
from engine.filters import parse
from engine.languages import unread
from engine.lexical import having
from engine.models import Model
from engine.options import Options
from engine.paging import Cursor, asked_for, read_cursor, write_cursor
from engine.plan import Asked, choose, estimate, narrowed, plan_filtered
from engine.query import Composed, check, compose, wanted_kind
from engine.ranking import Ranking, explained, given, order
from engine.recall import RERANK_DEPTH, Recalled, Wanted, default_weights, recall
from engine.serving import Serving
from engine.shaping import Shaped, depth, shape
from engine.store import Store
from engine.store.rows import State
from engine.types import OWN, Alike, Bitmap, Hit, Item, Query, Result, Signal
from engine.verdict import is_plain, no_match, spared, sure

DIVERSIFIED = "the hits are in an order of diversity; their scores are as they were"
Fetch: TypeAlias = Callable[[Sequence[int]], dict[int, Item]]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a search reads."""

    serving: Serving
    state: State  # of the gallery, a moment ago
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
    composed = compose(query, model, serving.store, opened.open_picture)
    clock.lap("encode")
    with serving.view_lock:
        serving.refresh(opened.state)
        after = after or Cursor(serving.generation.newest, 0, frozenset())
        wanted, notes = _wanted(query, composed, options, after, serving, model)
        clock.lap("filter")
        found = recall(serving.generation, serving.store, composed, wanted)
    clock.lap("recall")
    known = model.calibration if is_plain(query, found) else None
    nothing = no_match(query, found, wanted, model.calibration)
    found = given(found, model.reranker, opened.open_picture)
    ranked, spared_notes = _reranked(found, composed, wanted, options, known, model, serving)
    clock.lap("rerank")
    count, sure_notes = sure(ranked.probabilities, len(ranked.ids), options.precision, serving.key)
    page = shape(
        ranked.ids[:count],
        ranked.scores[:count],
        options,
        shown=after.shown,
        look_alike=model.look_alike(found.kind),
        looks=partial(serving.store.looks, signal=OWN[found.kind]),
    )
    hits = _hits(ranked, page, options, after.hits, opened.fetch)
    clock.lap("fetch")
    if options.explain:
        hits = serving.model_thread.run(partial(explained, hits, found, composed, model.reranker))
        clock.lap("explain")
    notes = (*unread(query, model), *notes, *spared_notes, *sure_notes)
    following = Cursor(after.newest, after.hits + len(hits), after.shown | page.ids(ranked.ids))
    goes_on = page.more and not nothing
    return Result(
        hits=() if nothing else tuple(hits),
        timings=clock.milliseconds(),
        reranked=ranked.reranked,
        plan=wanted.plan,
        notes=notes,
        no_match=nothing,
        misses=tuple(hits) if nothing else (),
        next_page=write_cursor(following, gallery=serving.gallery, asked=asked) if goes_on else None,
    )


def _reranked(
    found: Recalled,
    composed: Composed,
    wanted: Wanted,
    options: Options,
    known: Calibration | None,
    model: Model,
    serving: Serving,
) -> tuple[Ranking, tuple[str, ...]]:
    """Rerank what is worth it and within the budget, and note how long one candidate took."""
    candidates, notes = spared(found.candidates, options, known, serving.pace)
    reranker = model.reranker if options.rerank and candidates is not None else None

    def ordered() -> Ranking:
        began = perf_counter()
        ranked = order(replace(found, candidates=candidates), composed, wanted, reranker)
        if ranked.reranked and candidates is not None:
            serving.pace.took(len(candidates), 1000 * (perf_counter() - began))
        return ranked

    ranked = serving.model_thread.run(ordered) if reranker else ordered()
    if len(ranked.unread):
        notes += (
            f"{len(ranked.unread)} pictures could not be read again, such as that of item "
            f"{ranked.unread[0]}; each keeps the place it had before reranking",
        )
    return ranked, notes


def _wanted(
    query: Query, composed: Composed, options: Options, after: Cursor, serving: Serving, model: Model
) -> tuple[Wanted, tuple[str, ...]]:
    """Settle which signals are asked, for what, and how; notes say what a reader should know.

    What comes back is what a filter and the phrases name, of what was there when the first page was made.
    """
    generation, store = serving.generation, serving.store
    kind = wanted_kind(query, generation.held())
    weights = default_weights(kind, composed, generation, store)
    if options.signals is not None:
        weights = {Signal(name): weight for name, weight in options.signals.items() if weight}
    reads_on = (options.rerank and model.reranker) or options.diversity or len(weights) > 1
    most = depth(options, len(after.shown), RERANK_DEPTH if reads_on else 0)
    view = generation.views.get((kind, OWN[kind]))
    index = view.index if view else None
    there = after.allowed() if generation.newest > after.newest else None
    bitmap, notes = _having(query.phrases, there, store)
    if options.filter is None:
        plan, way = choose(index, bitmap)
    elif query.phrases or weights.keys() != {OWN[kind]}:
        share = estimate(parse(options.filter), generation.newest, store)
        bitmap = narrowed(bitmap, np.flatnonzero(generation.bitmap(options.filter, store)))
        plan, way = choose(index, bitmap)
        plan = replace(plan, estimated=round(share * plan.held))
    else:
        vector = composed.vectors[OWN[kind]]
        hits = most + len(composed.exclude)
        asked = Asked(vector, hits, options.filter, after.newest, counted=options.explain)
        plan, way = plan_filtered(asked, view, generation, store)
    learned = model.learned.get((composed.read[0].kind, kind)) if composed.read else None
    notes += (DIVERSIFIED,) if options.diversity else ()
    reads = model.reranker is not None and bool(options.rerank or options.explain)
    return Wanted(kind, weights, most, bitmap, plan, way, learned, reads), notes


def _having(
    phrases: Sequence[str], bitmap: Bitmap | None, store: Store
) -> tuple[Bitmap | None, tuple[str, ...]]:
    """Narrow a bitmap down to the items that have every phrase; note the phrases that none has."""
    notes: list[str] = []
    for phrase in phrases:
        found = having(store, phrase)
        bitmap = narrowed(bitmap, found)
        if not len(found):
            notes.append(f"no item has the words {phrase!r} next to each other; unquoted, meaning counts")
    return bitmap, tuple(notes)


def _hits(ranked: Ranking, page: Shaped, options: Options, before: int, fetch: Fetch) -> list[Hit]:
    """Describe the hits of a page, `before` which so many were; another process may have removed some."""
    items, ids = fetch(list(page.ids(ranked.ids))), ranked.ids.tolist()
    hits: list[Hit] = []
    for place in page.places.tolist():
        item = items.get(ids[place])
        if item is not None:
            alike = tuple(
                Alike(items[ids[one.place]], one.likeness, one.exact)
                for one in page.behind.get(place, ())
                if ids[one.place] in items
            )
            rank = before + len(hits) + 1
            hits.append(ranked.hit(place, rank, item, alike, explain=options.explain))
    return hits
