"""A filter as SQL over the facts, with every value bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt
from typing import Any

from sqlalchemy import ColumnElement, and_, literal_column, not_, or_, select, text

from engine.errors import BadInput
from engine.filters import All, Compare, Filter, Has, Matches, Not, OneOf, Value
from engine.store.facts import type_of
from engine.store.models import FactRow, ItemRow
from engine.store.words import quoted

Fields = Mapping[str, tuple[int, str]]  # name -> (id, type)
OPERATORS = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
# Columns that every item has, beside its metadata.
BUILT_IN: dict[str, tuple[Any, str]] = {
    "id": (ItemRow.id, "number"),
    "uri": (ItemRow.uri, "text"),
    "kind": (ItemRow.kind, "text"),
    "text": (ItemRow.text, "text"),
}


def condition(tree: Filter, fields: Fields, *, few: bool = False) -> ColumnElement[bool]:
    """Turn a filter into a condition on `items`; `BadInput` for an unknown column or another type.

    With `few`, values are looked up item by item, for a query about a few items; else item by value.
    """

    def inner(part: Filter) -> ColumnElement[bool]:
        return condition(part, fields, few=few)

    def holds(column: str, values: list[Value], test: Any) -> ColumnElement[bool]:
        return _holds(column, values, fields, test, few)

    match tree:
        case Compare(column, "!=", value):
            return not_(inner(Compare(column, "=", value)))
        case Compare(column, operator, value):
            return holds(column, [value], lambda stored: OPERATORS[operator](stored, value))
        case OneOf(column, values):
            return holds(column, list(values), lambda stored: stored.in_(values))
        case Has(column):
            return holds(column, [], lambda stored: stored.is_not(None))
        case Matches(_, words):
            return _matches(words)
        case Not(part):
            return not_(inner(part))
        case All(parts):
            return and_(*(inner(part) for part in parts))
        case _:
            return or_(*(inner(part) for part in tree.parts))


def unknown_column(column: str, known: Sequence[str]) -> BadInput:
    """Name the columns nearest to one that there is not."""
    near = get_close_matches(column, known, n=3, cutoff=0.5) or sorted(known)[:10]
    return BadInput(f"no item has a column {column!r}; there is {', '.join(near)}")


def _holds(column: str, values: list[Value], fields: Fields, test: Any, few: bool) -> ColumnElement[bool]:
    known = {name: kind for name, (_, kind) in {**BUILT_IN, **fields}.items()}
    if column not in known:
        raise unknown_column(column, list(known))
    for value in values:
        if type_of(value) != known[column]:
            raise BadInput(
                f"{column} is a {known[column]}, {value!r} is a {type_of(value)}; compare like with like"
            )
    if column in BUILT_IN:
        stored = BUILT_IN[column][0]
        return and_(stored.is_not(None), test(stored))
    field_id, kind = fields[column]
    stored = FactRow.words if kind == "text" else FactRow.number
    found = select(FactRow.item_id).where(FactRow.field_id == field_id, test(stored))
    return found.where(FactRow.item_id == ItemRow.id).exists() if few else ItemRow.id.in_(found)


def _matches(words: str) -> ColumnElement[bool]:
    all_of_them = f"text : ({' '.join(map(quoted, words.split()))})"
    matched = literal_column("words").op("MATCH")(all_of_them)
    return ItemRow.id.in_(select(literal_column("rowid")).select_from(text("words")).where(matched))
