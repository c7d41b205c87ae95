"""A filter as SQL over the facts, with every value bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt
from typing import Any, TypeAlias, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import aliased

from engine.errors import BadInput
from engine.filters import LONG, All, Compare, Filter, Has, Matches, Not, OneOf, Operator, Value
from engine.filters import Any as AnyOf
from engine.store.facts import type_of
from engine.store.models import FactRow, ItemRow
from engine.store.words import quoted

Fields = Mapping[str, tuple[int, str]]  # name -> (id, type)
Leaf: TypeAlias = Compare | OneOf | Has | Matches
OPERATORS = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}
ROUNDED: dict[Operator, Operator] = {
    "<": "<=",
    ">": ">=",
}  # rounding keeps the order, and makes neighbors one
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

    match tree:
        case Compare(column, "!=", value):
            return not_(inner(Compare(column, "=", value)))
        case Not(part):
            return not_(inner(part))
        case All(parts):
            return and_(*(inner(part) for part in parts))
        case AnyOf(parts):
            return or_(*(inner(part) for part in parts))
        case Matches(_, words):
            return ItemRow.id.in_(_matches(words))
        case _ if tree.column in BUILT_IN:
            return _of_every_item(tree)
        case _:
            found = _of_metadata(tree, fields)
            return found.where(FactRow.item_id == ItemRow.id).exists() if few else ItemRow.id.in_(found)


def ids_where(leaf: Leaf, fields: Fields) -> Select[int]:
    """Select the ids of the items for which one comparison holds; an index covers all but those of `text`.

    Raises as `condition` does.
    """
    if isinstance(leaf, Matches):
        return _matches(leaf.words)
    if leaf.column in BUILT_IN:
        return select(ItemRow.id).where(_of_every_item(leaf))
    return _of_metadata(leaf, fields)


def unknown_column(column: str, known: Sequence[str]) -> BadInput:
    """Name the columns nearest to one that there is not."""
    near = get_close_matches(column, known, n=3, cutoff=0.5) or sorted(known)[:10]
    return BadInput(f"no item has a column {column!r}; there is {', '.join(near)}")


def _of_every_item(leaf: Compare | OneOf | Has) -> ColumnElement[bool]:
    stored, kind = BUILT_IN[leaf.column]
    return and_(stored.is_not(None), _holds(leaf, stored, kind))


def _of_metadata(leaf: Compare | OneOf | Has, fields: Fields) -> Select[int]:
    if leaf.column not in fields:
        raise unknown_column(leaf.column, [*BUILT_IN, *fields])
    field_id, kind = fields[leaf.column]
    stored = FactRow.words if kind == "text" else FactRow.number
    exactly = [_holds(leaf, _written(leaf.column), kind)] if _is_long(leaf) else []
    near = _holds(_rounded(leaf) if exactly else leaf, stored, kind)
    return select(FactRow.item_id).where(FactRow.field_id == field_id, near, *exactly)


def _is_long(leaf: Compare | OneOf | Has) -> bool:
    values = leaf.values if isinstance(leaf, OneOf) else [leaf.value] if isinstance(leaf, Compare) else []
    return any(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _rounded(leaf: Compare | OneOf | Has) -> Compare | OneOf | Has:
    """Allow all that a comparison with long integers does, and their neighbors, which are one float."""
    match leaf:
        case OneOf(column, values):
            return OneOf(column, tuple(map(float, values)))
        case Compare(column, operator, value):
            return Compare(column, ROUNDED.get(operator, operator), float(value))
        case _:
            return leaf


def number_of(column: str) -> ColumnElement[Any]:
    """Give the number that a fact of a column stands for: where a float cannot hold it, what the item has."""
    return case((func.abs(FactRow.number) < LONG, FactRow.number), else_=_written(column))


def _written(column: str) -> ScalarSelect[Any]:
    """Select the value of a column as the item has it, each digit of a long integer."""
    item = aliased(ItemRow)
    pair = func.json_each(item.details).table_valued("key", "value", joins_implicitly=True)
    value = select(pair.c.value).where(item.id == FactRow.item_id, pair.c.key == column)
    return value.correlate(FactRow).scalar_subquery()


def _holds(leaf: Compare | OneOf | Has, stored: Any, kind: str) -> ColumnElement[bool]:
    """Compare a column that stores values of a kind with those of a filter."""
    match leaf:
        case Has():
            return cast(ColumnElement[bool], stored.is_not(None))
        case OneOf(column, values):
            _check_types(column, values, kind)
            return cast(ColumnElement[bool], stored.in_(values))
        case Compare(column, operator, value):
            _check_types(column, [value], kind)
            return cast(ColumnElement[bool], OPERATORS[operator](stored, value))


def _check_types(column: str, values: Sequence[Value], kind: str) -> None:
    for value in values:
        if type_of(value) != kind:
            raise BadInput(f"{column} is a {kind}, {value!r} is a {type_of(value)}; compare like with like")


def _matches(words: str) -> Select[int]:
    all_of_them = f"text : ({' '.join(map(quoted, words.split()))})"
    matched = literal_column("words").op("MATCH")(all_of_them)
    rowid: ColumnElement[int] = literal_column("rowid", Integer)
    return select(rowid).select_from(text("words")).where(matched)
