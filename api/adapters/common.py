"""What the adapters share: metadata whose names a gallery keeps for itself, and filters as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine import BadInput, Hit, Item, SearchEngine
from engine.filters import parse
from engine.types import Scalar

OWN = frozenset({"id", "uri", "kind", "text"})  # columns that every item of a gallery has
COMPARISONS = {
    **{"==": "=", "=": "=", "eq": "=", "!=": "!=", "ne": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="},
    **{"gt": ">", "gte": ">=", "lt": "<", "lte": "<="},
}


def to_stored(metadata: Mapping[str, Any]) -> dict[str, Scalar]:
    """Give names that every item has an underscore in front, and those one more that have one for it."""
    return {_stored_name(name): value for name, value in metadata.items()}


def from_stored(metadata: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Give metadata back as they came."""
    return {name[1:] if _is_moved(name) else name: value for name, value in metadata.items()}


def relevance(hit: Hit) -> float:
    """Give 0 to 1: the probability where it is known, else the cosine moved from -1..1 to 0..1."""
    if hit.probability is not None:
        return hit.probability
    own = "visual" if hit.item.kind == "image" else "caption"
    cosine = hit.signals.get(own)
    return 0.5 + 0.5 * math.tanh(hit.score / 2) if cosine is None else (1 + max(-1.0, min(1.0, cosine))) / 2


def items_by_uri(engine: SearchEngine, uris: Sequence[str]) -> list[Item]:
    """Return the items of those uris that are there."""
    there = engine.fingerprints(uris)
    return [engine.find(uri) for uri in uris if uri in there]


def items_matching(engine: SearchEngine, filter: str) -> list[Item]:
    """Return the items that a filter names."""
    return [engine.get(int(item_id)) for item_id in engine.store.matching(parse(filter))]


def remove(engine: SearchEngine, uris: Sequence[str]) -> None:
    """Remove the items of those uris that are there."""
    with engine.writing():
        there = engine.fingerprints(uris)
        if there:
            engine.remove(there)


def compared(name: str, operator: str, value: Any) -> str:
    """Write one comparison as the filter language has it."""
    column = _column(name)
    if operator in ("in", "not in", "nin"):
        if not value:
            raise BadInput(f"a filter compares {name!r} with no value; give at least one")
        listed = f"{column} in ({', '.join(map(_value, value))})"
        return listed if operator == "in" else f"not {listed}"
    if operator not in COMPARISONS:
        known = ", ".join([*COMPARISONS, "in", "not in"])
        raise BadInput(f"a filter cannot compare {name!r} by {operator!r}; there is {known}")
    return f"{column} {COMPARISONS[operator]} {_value(value)}"


def joined(how: str, parts: Sequence[str]) -> str:
    """Join filters by `and` or `or`, or turn them around by `not`, which holds where not all do."""
    word = how.lower()
    if not parts or word not in ("and", "or", "not"):
        raise BadInput(f"a filter cannot join {len(parts)} conditions by {how!r}; there is and, or, not")
    if word == "not":
        return f"not ({joined('and', parts)})"
    return f" {word} ".join(f"({part})" for part in parts)


def equal(wanted: Mapping[str, Any] | None) -> str | None:
    """Write a mapping of names and values as a filter under which each is equal."""
    if not wanted:
        return None
    return joined("and", [compared(name, "=", value) for name, value in wanted.items()])


def _column(name: str) -> str:
    if "`" in name:
        raise BadInput(f"a filter cannot name {name!r}: it has a backquote")
    return f"`{_stored_name(name)}`"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise BadInput(f"a filter compares with text, numbers and true/false, not with {value!r}")


def _is_moved(name: str) -> bool:
    return name.startswith("_") and name.lstrip("_") in OWN


def _stored_name(name: str) -> str:
    return f"_{name}" if name in OWN or _is_moved(name) else name
