"""Utterances about metadata: "only from 2020", "before 2019", "only in Oslo" become filters."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches

from engine.dialogue.moves import Do, Move, Said
from engine.errors import BadInput

YEARS = ("year", "taken_year", "date_year")  # columns that hold a year as a number
DATES = ("taken", "date", "time", "created", "datetime")  # columns that hold an ISO date as a text
YEAR = r"(?:the year )?(?P<year>(?:1[89]|20)\d\d)"
THINGS = r"(?:(?:pictures|photos|images|ones|those) )?(?:taken |made )?"
SHAPES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"{THINGS}{pattern}", re.IGNORECASE), name)
    for pattern, name in (
        (rf"(?:from|since) {YEAR} (?:on|onwards?)", ">="),
        (rf"since {YEAR}", ">="),
        (rf"after {YEAR}", ">"),
        (rf"before {YEAR}", "<"),
        (rf"(?:until|up to) {YEAR}", "<="),
        (rf"(?:between|from) {YEAR} (?:and|to) (?P<last>\d{{4}})", "between"),
        (rf"not (?:from|in) {YEAR}", "!="),
        (rf"(?:from|in|of|during) {YEAR}", "="),
        (YEAR, "="),
    )
)
MOST_COLUMNS = 50  # that are looked into for a value


def filter_move(text: str, said: Said, *, strictly: bool) -> Move | None:
    """Make a filter of words about a year; `strictly`, `BadInput` where no column holds one."""
    for pattern, operator in SHAPES:
        match = pattern.fullmatch(text)
        if match is None or (pattern is SHAPES[-1][0] and not strictly):
            continue
        year, last = match["year"], match.groupdict().get("last")
        column = _year_column(said)
        if column is None:
            if strictly:
                raise BadInput(f"no item has a year, so none can be from {year}; {_known(said)}")
            return None
        return Move(Do.FILTER, _compare(column, operator, int(year), last), column)
    return None


def holding_move(text: str, said: Said) -> Move | None:
    """Make a filter of a value that a column holds ("from Oslo"), of "COLUMN VALUE", or of an expression."""
    columns = said.columns or {}
    if re.search(r"[=<>]", text):
        return Move(Do.FILTER, text)
    if match := re.fullmatch(r"(?:those )?(?:with|having) an? (\w+)", text, re.IGNORECASE):
        if match[1] in columns:
            return Move(Do.FILTER, f"has {_name(match[1])}", match[1])
    match = re.fullmatch(r"(?:those )?(?:from|in|at|by|of|with) (?P<value>.+)", text, re.IGNORECASE)
    value = match["value"] if match else text
    for column in [name for name, kind in columns.items() if kind == "text"][:MOST_COLUMNS]:
        for spelled in dict.fromkeys(
            (value, value.title(), value.capitalize(), value.lower(), value.upper())
        ):
            if said.holds(column, spelled):
                return Move(Do.FILTER, f"{_name(column)} = {json.dumps(spelled, ensure_ascii=False)}", column)
    return None


def _year_column(said: Said) -> str | None:
    columns = said.columns or {}
    numbers = [name for name in YEARS if columns.get(name) == "number"]
    texts = [name for name in DATES if columns.get(name) == "text"]
    return next(iter(numbers + texts), None)


def _compare(column: str, operator: str, year: int, last: str | None) -> str:
    name = _name(column)
    if column in DATES:  # "2020" <= "2020-05-01" < "2021", letter by letter
        low, high = f'{name} >= "{year}"', f'{name} < "{year + 1}"'
        after, until = f'{name} >= "{year + 1}"', f'{name} < "{int(last or year) + 1}"'
        ways = {">=": low, ">": after, "<": f'{name} < "{year}"', "<=": high}
        ways |= {"between": f"{low} and {until}", "=": f"{low} and {high}", "!=": f"not ({low} and {high})"}
        return ways[operator]
    if operator == "between":
        return f"{name} >= {year} and {name} <= {last}"
    return f"{name} {operator} {year}"


def _name(column: str) -> str:
    return column if re.fullmatch(r"[^\W\d][\w.:-]*", column) else f"`{column}`"


def _known(said: Said) -> str:
    names = sorted(said.columns or {})
    near = get_close_matches("year", names) or names[:8]
    return f"the columns are {', '.join(near)}" if near else "the items have no metadata"
