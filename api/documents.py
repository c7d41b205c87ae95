"""The JSON documents that the command line and the HTTP service share, as plain dicts.

Knows nothing of HTTP, pydantic or terminals. Every number is finite and rounded, so the documents
are valid JSON in the strict sense and the same search reads the same through every door.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.grammar import parse
from engine.telling import Answer, Caption
from engine.telling.told import Nearest
from engine.types import (
    Explanation,
    Hit,
    Item,
    LabeledRegion,
    Part,
    Plan,
    Query,
    Report,
    Result,
    Scalar,
    WordMap,
)
from engine.written import written

if TYPE_CHECKING:
    from engine.dialogue import Session, Turn
    from engine.recommend import Recommendation

Document: TypeAlias = dict[str, Any]

DECIMALS = 6


def result_document(query: str | Query, result: Result) -> Document:
    """Describe a whole search: what was asked, the hits, how long each stage took."""
    return {
        "query": query_document(query),
        "hits": [hit_document(hit) for hit in result.hits],
        "timings": _numbers(result.timings),
        "reranked": bool(result.reranked),
        "plan": plan_document(result.plan),
        "notes": list(result.notes),
        "no_match": result.no_match,
        "misses": [hit_document(hit) for hit in result.misses],
        "next_page": result.next_page,
    }


def plan_document(plan: Plan) -> Document:
    """Describe how a filtered search was run, and why."""
    return {
        "name": plan.name,
        "allowed": plan.allowed,
        "held": plan.held,
        "estimated": plan.estimated,
        "reason": plan.reason,
    }


def query_document(query: str | Query) -> Document:
    """Describe a query by its parts, and as it could be typed; a picture is named, never repeated."""
    if isinstance(query, str):
        query = parse(query)
    return {
        "parts": [_part_document(part) for part in query.parts],
        "kind": query.kind,
        "phrases": list(query.phrases),
        "written": written(query),
    }


def hit_document(hit: Hit) -> Document:
    """Describe one hit; `explanation` is there only when it was asked for."""
    document: Document = {
        "rank": int(hit.rank),
        **item_document(hit.item),
        "score": number(hit.score),
        "probability": None if hit.probability is None else number(hit.probability),
        "signals": _numbers(hit.signals),
        "alike": [
            {**item_document(one.item), "likeness": number(one.likeness), "exact": one.exact}
            for one in hit.alike
        ],
    }
    if hit.explanation is not None:
        document["explanation"] = explanation_document(hit.explanation)
    return document


def item_document(item: Item) -> Document:
    """Describe a stored item; `text` is there only when it has one, `ocr` when its picture was read.

    `generated` is there when a machine wrote a caption, and `text` is then not.
    """
    document: Document = {"id": item.id, "uri": item.uri, "kind": item.kind}
    if item.text is not None:
        document["text"] = item.text
    if item.ocr is not None:
        document["ocr"] = item.ocr
    if item.generated is not None:
        document["generated"] = item.generated
    document["metadata"] = {key: _scalar(value) for key, value in item.metadata.items()}
    return document


def regions_document(regions: Sequence[LabeledRegion]) -> Document:
    """Describe the regions of a picture; their features are left out."""
    return {
        "regions": [
            {
                "region": [number(side) for side in (one.box.x, one.box.y, one.box.width, one.box.height)],
                "label": one.label,
                "score": number(one.score),
            }
            for one in regions
        ]
    }


def captions_document(model: str, captions: Sequence[Caption], nearest: Sequence[Nearest]) -> Document:
    """Describe captions that a machine wrote, and apart from them what people say of look-alikes."""
    return {
        "model": model,
        "captions": [
            {"text": c.text, "probability": None if c.probability is None else number(c.probability)}
            for c in captions
        ],
        "nearest": [
            {"text": n.text, "id": n.item.id, "uri": n.item.uri, "likeness": number(n.likeness)}
            for n in nearest
        ],
    }


def answer_document(model: str, answer: Answer) -> Document:
    """Describe the answer to a question on a picture."""
    heat = answer.heat_map
    return {
        "model": model,
        "text": answer.text,
        "probability": number(answer.probability),
        "sure": bool(answer.sure),
        "kind": answer.kind,
        "alternatives": [{"text": text, "probability": number(share)} for text, share in answer.alternatives],
        "heat_map": None if heat is None else [[number(cell) for cell in row] for row in heat.tolist()],
    }


def explanation_document(explanation: Explanation) -> Document:
    """Describe why a hit is where it is."""
    return {
        "contributions": _numbers(explanation.contributions),
        "recall_rank": int(explanation.recall_rank),
        "words": [_word_document(word) for word in explanation.words],
    }


def report_document(report: Report) -> Document:
    """Describe what an `add` did."""
    return {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "removed": report.removed,
        "failed": dict(report.failed),
    }


def number(value: float) -> float | None:
    """Round a number for JSON, which has no infinity and no NaN: those become null."""
    value = float(value)
    return round(value, DECIMALS) if math.isfinite(value) else None


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    # Keys may be a `str, Enum` such as Signal; its value is the name people see.
    return {str(getattr(key, "value", key)): number(value) for key, value in values.items()}


def _scalar(value: Scalar) -> Scalar:
    return number(value) if isinstance(value, float) else value


def _word_document(word: WordMap) -> Document:
    grid = [[number(cell) for cell in row] for row in word.grid.tolist()]
    return {"word": word.word, "weight": number(word.weight), "grid": grid}


def _part_document(part: Part) -> Document:
    document: Document = {**_name_of(part), "weight": number(part.weight)}
    if part.region is not None:
        box = part.region
        document["region"] = [number(side) for side in (box.x, box.y, box.width, box.height)]
    return document


def _name_of(part: Part) -> Document:
    if part.text is not None:
        return {"text": part.text}
    if part.item is not None:
        return {"like": part.item}
    if isinstance(part.picture, Path):
        return {"image": part.picture.resolve().as_uri()}
    if isinstance(part.picture, bytes):
        return {"image": f"sha256:{hashlib.sha256(part.picture).hexdigest()}"}
    return {"image": f"sha256:{part.picture.digest}" if part.picture is not None else ""}


def session_document(session: Session) -> Document:
    """Describe a conversation: its query, what was said, the ids of what is shown."""
    query = session.asked.query
    return {
        "id": session.id,
        "query": query_document(query) if query.parts else None,
        "filter": session.asked.filter,
        "kind": query.kind,
        "can_undo": bool(session.before),
        "expires": datetime.fromtimestamp(session.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "turns": [
            {"said": t.said, "understood": list(t.understood), "written": t.written, "filter": t.filter}
            for t in session.turns
        ],
        "shown": list(session.shown),
    }


def turn_document(turn: Turn) -> Document:
    """Describe one turn of a conversation with its hits."""
    return {
        "said": turn.said,
        "understood": list(turn.understood),
        "notes": list(turn.notes),
        "session": session_document(turn.session),
        "result": None if turn.result is None else result_document(turn.session.asked.query, turn.result),
    }


def recommendation_document(found: Recommendation) -> Document:
    """Describe what is recommended and why."""
    return {
        "items": [
            {
                "rank": one.rank,
                **item_document(one.item),
                "score": number(one.score),
                "interest": one.interest,
                "reason": {
                    "like": item_document(one.reason.like),
                    "likeness": number(one.reason.likeness),
                    "words": list(one.reason.words),
                },
            }
            for one in found.items
        ],
        "interests": [{"share": number(share), "items": list(ids)} for share, ids in found.interests],
        "notes": list(found.notes),
    }
