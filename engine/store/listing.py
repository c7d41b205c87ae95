"""Items one after another, and how often each value of a column occurs: what a browser of a gallery asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from engine.errors import BadInput
from engine.filters import Filter, parse
from engine.store import Store
from engine.store.conditions import BUILT_IN, condition, number_of, unknown_column
from engine.store.facts import read_fields
from engine.store.models import FactRow, ItemRow
from engine.store.rows import slices, to_item
from engine.types import Item, Scalar

MAX_COUNTED = 1_000


class Listing:
    """A gallery read in the order of its ids, or by the values of its columns."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def columns(self) -> dict[str, str]:
        """Return the type (number, text, boolean) of every column a filter can name."""
        return {name: kind for name, (_, kind) in BUILT_IN.items()} | self._store.fields()

    def count(self, filter: str | None = None) -> int:
        """Count the items that a filter allows."""
        if filter is None:
            return sum(self._store.counts().values())
        return len(self._store.matching(parse(filter)))

    def page(self, filter: str | None = None, *, after: int = 0, most: int = 100) -> list[Item]:
        """Return the first items that a filter allows whose id is over `after`, by id."""
        tree = None if filter is None else parse(filter)
        with self._store.reading() as session:
            wanted = select(ItemRow).where(ItemRow.id > after).order_by(ItemRow.id).limit(most)
            if tree is not None:
                wanted = wanted.where(condition(tree, read_fields(session)))
            return [to_item(row) for row in session.scalars(wanted)]

    def values(
        self, column: str, filter: str | None = None, *, among: Sequence[int] | None = None, most: int = 20
    ) -> list[tuple[Scalar, int]]:
        """Return the commonest values of a column with how many items have each, the commonest first.

        Only items that a filter allows are counted and, with `among`, only those of these ids. Raises
        `BadInput` for a column that no item has, or that has no values to count (`id`, `uri`, `text`).
        """
        if not 1 <= most <= MAX_COUNTED:
            raise BadInput(f"{most} values are out of range; ask for 1 to {MAX_COUNTED:,}")
        if column in BUILT_IN and column != "kind":
            raise BadInput(
                f"{column} is another for each item, so there is nothing to count; name another column"
            )
        tree = None if filter is None else parse(filter)
        totals: dict[Scalar, int] = {}
        for some in [None] if among is None else list(slices(among)):
            for value, count in self._counted(column, tree, some, None if among else most):
                totals[value] = totals.get(value, 0) + count
        return sorted(totals.items(), key=lambda pair: (-pair[1], str(pair[0])))[:most]

    def _counted(
        self, column: str, tree: Filter | None, among: Sequence[int] | None, most: int | None
    ) -> list[tuple[Scalar, int]]:
        with self._store.reading() as session:
            fields = read_fields(session)
            value: Any
            if column == "kind":
                value, kind, of = ItemRow.kind, "text", select().select_from(ItemRow)
            elif column in fields:
                field_id, kind = fields[column]
                value = FactRow.words if kind == "text" else number_of(column)
                of = select().select_from(FactRow).join(ItemRow, ItemRow.id == FactRow.item_id)
                of = of.where(FactRow.field_id == field_id)
            else:
                raise unknown_column(column, [*fields, "kind"])
            if tree is not None:
                of = of.where(condition(tree, fields))
            if among is not None:
                of = of.where(ItemRow.id.in_(among))
            count = func.count().label("count")
            wanted = of.add_columns(value, count).group_by(value).order_by(count.desc(), value).limit(most)
            return [(_typed(found, kind), number) for found, number in session.execute(wanted)]


def _typed(value: Any, kind: str) -> Scalar:
    """Give a value back as it came in: booleans are kept as 0 and 1, whole numbers as floats."""
    if kind == "boolean":
        return bool(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
