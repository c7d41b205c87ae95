"""How often each value of metadata occurs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.client.replies import Document, Scalar
from api.client.requests import Call, given


@dataclass(frozen=True, slots=True)
class Count:
    """One value of a column, and how many items have it."""

    value: Scalar
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The commonest values of each column, among so many items."""

    counted: int
    facets: Mapping[str, tuple[Count, ...]]


def facets(
    columns: Iterable[str], filter: str | None, query: str | None, first: int, most: int
) -> Call[Facets]:
    body = {"columns": list(columns), "first": first, "most": most}
    return Call("POST", "/facets", _facets, json=body | given({"filter": filter, "query": query}))


def _facets(document: Document) -> Facets:
    counts = {
        column: tuple(Count(one["value"], one["count"]) for one in values)
        for column, values in document["facets"].items()
    }
    return Facets(document["counted"], counts)
