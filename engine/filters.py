"""The filter language over metadata: text in, a small typed tree out.

    year >= 2020 and place = "Oslo" and not tag in ("draft", "private")
    kind = "image" and text matches "snow dog"
    `camera model` = 'X100'

`=`, `!=`, `<`, `<=`, `>`, `>=`, `in (…)`, `matches`, `has COLUMN`, `and`, `or`, `not`, parentheses.
Values are numbers, quoted texts, `true` and `false`; texts compare by code point, so ISO dates compare
by date. An item without the column fails every comparison; `a != b` is `not a = b`. It knows no SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, cast

from lark import Lark, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from engine.caret import pointed
from engine.errors import BadInput

MAX_LENGTH = 10_000
MAX_SIZE = 400  # SQLite refuses expressions nested deeper than 1,000
LONG, LONGEST = 2**53, 2**63 - 1  # integers from here on run together as floats; there are none above
Value: TypeAlias = str | float | bool  # an int is a long one
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]

GRAMMAR = r"""
?start: any
?any: all ("or"i all)*
?all: one ("and"i one)*
?one: "not"i one -> negation
    | "(" any ")"
    | column OPERATOR value -> compare
    | column "in"i "(" value ("," value)* ")" -> one_of
    | column "matches"i text -> matches
    | "has"i column -> has
column: NAME | QUOTED_NAME
?value: NUMBER -> number | text | "true"i -> true | "false"i -> false
text: STRING
OPERATOR: "!=" | "<=" | ">=" | "=" | "<" | ">"
NAME: /(?!(and|or|not|in|has|matches|true|false)\b)[^\W\d][\w.:-]*/i
QUOTED_NAME: /`[^`]+`/
NUMBER: /[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?/i
STRING: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/
%import common.WS
%ignore WS
"""


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against one value."""

    column: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A column equal to one of several values."""

    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """Every one of the words in a column's text; `column` is `text` (captions and texts)."""

    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Has:
    """A column that has any value."""

    column: str


@dataclass(frozen=True, slots=True)
class Not:
    """The items for which a filter does not hold."""

    inner: Filter


@dataclass(frozen=True, slots=True)
class All:
    """Several filters that all hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Several filters of which one holds."""

    parts: tuple[Filter, ...]


Filter: TypeAlias = Compare | OneOf | Matches | Has | Not | All | Any


def parse(text: str) -> Filter:
    """Read a filter; `BadInput` shows the place of a mistake with a caret below it."""
    if not text.strip():
        raise BadInput('the filter is empty; write one such as year >= 2020 and place = "Oslo"')
    if len(text) > MAX_LENGTH:
        raise BadInput(f"the filter has {len(text):,} characters, the limit is {MAX_LENGTH:,}")
    try:
        tree = cast(Filter, _parser().parse(text))
        size = _size(tree)
    except UnexpectedInput as error:
        raise BadInput(_pointed(text, error)) from None
    except VisitError as error:
        raise BadInput(str(error.orig_exc)) from None
    except RecursionError:
        raise BadInput("the filter is nested too deeply") from None
    if size > MAX_SIZE:
        raise BadInput(
            f"the filter has {size} comparisons and operators, the limit is {MAX_SIZE}; make it simpler"
        )
    return tree


def _size(tree: Filter) -> int:
    match tree:
        case All(parts) | Any(parts):
            return 1 + sum(_size(part) for part in parts)
        case Not(inner):
            return 1 + _size(inner)
        case _:
            return 1


def _pointed(text: str, error: UnexpectedInput) -> str:
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = len(text) if ended or error.pos_in_stream is None else error.pos_in_stream
    return pointed("the filter is not understood here", text, at)


@v_args(inline=True)
class _Tree(Transformer):  # type: ignore[type-arg]
    def any(self, *parts: Filter) -> Filter:
        return parts[0] if len(parts) == 1 else Any(parts)

    def all(self, *parts: Filter) -> Filter:
        return parts[0] if len(parts) == 1 else All(parts)

    def column(self, name: str) -> str:
        return str(name).strip("`")

    def compare(self, column: str, operator: Operator, value: Value) -> Filter:
        return Compare(column, _OPERATORS[str(operator)], value)

    def one_of(self, column: str, *values: Value) -> Filter:
        return OneOf(column, values)

    def matches(self, column: str, words: str) -> Filter:
        if column != "text":
            raise BadInput(f"matches looks into text only, not into {column}; compare it with =")
        if not words.strip():
            raise BadInput('matches needs a word, as in: text matches "snow"')
        return Matches(column, words)

    has = Has
    negation = Not

    def number(self, digits: str) -> float:
        is_whole = digits.lstrip("+-").isdecimal() and len(digits) <= len(f"-{LONGEST}")
        return int(digits) if is_whole and LONG <= abs(int(digits)) <= LONGEST else float(digits)

    def text(self, quoted: str) -> str:
        return str(quoted)[1:-1].replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")

    def true(self) -> bool:
        return True

    def false(self) -> bool:
        return False


_OPERATORS: dict[str, Operator] = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", transformer=_Tree(), maybe_placeholders=False)
