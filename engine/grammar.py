r"""The query language: text in, a `Query` out, and back.

    two dogs in snow                               words: anything without a marked term is plain text
    "grand hotel" at night                         words, of which the quoted ones must be found as they stand
    "beach" + photo.jpg - "people"*0.5             a sum of terms, each with a weight
    like:42[0.1,0.2,0.5,0.5] -people               an item, by id or uri, here a box of its picture
    image:"my photo.jpg" + phrase:"grand hotel"    a picture file by any name; a phrase beside other terms

A query is a sum as soon as one of its terms is marked: in quotes beside `+` or `-`, a picture file,
`like:`, `image:`, `phrase:`, words that end in `*` and a number, or a word with `-` glued to its front
and a space before it. All else is plain text, whatever signs it holds. In a sum, quotes around a whole
term hold it together; other quotes name phrases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from lark import Lark, Token, Transformer, UnexpectedToken
from lark.exceptions import VisitError

from engine.caret import pointed
from engine.errors import BadInput
from engine.query import MAX_CHARACTERS
from engine.types import Part, Query, Region

SUFFIXES = "jpe?g|png|webp|gif|bmp|tiff?|ppm|avif"
QUOTED = r'"(?:\\[\s\S]|[^"\\])*"|[“„][^“”]*[“”]'
FILE = rf'(?![A-Za-z][\w.+-]+:)[^\s"“„*]+?\.(?:{SUFFIXES})(?=\s|\[|\*|$)'
BARE = r'[^\s"“„*\[]+'
LETTER = r"[^\W\d_]"

# A word reaches to the next space, so no sign within one is ever an operator.
GRAMMAR = rf"""
start: OPERATOR? term (OPERATOR term)*
term: (like | image | phrase | words) WEIGHT?
like: LIKE BOX?
image: (IMAGE | FILE) BOX?
phrase: PHRASE
words: (WORD | QUOTED | UNCLOSED)+

OPERATOR.9: /(?<!\S)[+-](?=\s|$|{LETTER}|{FILE})|[+-](?=["“„]|like:|image:|phrase:)/i
LIKE.8: /like:(?:{QUOTED}|{BARE})/i
IMAGE.8: /image:(?:{QUOTED}|{FILE}|{BARE})/i
PHRASE.8: /phrase:(?:{QUOTED}|{BARE})/i
BOX.7: /(?<=\S)\[[^\]]*\]?/
WEIGHT.7: /\*\s*-?[^\s"“„+\[-]*/
QUOTED.6: /{QUOTED}/
UNCLOSED.5: /"/
FILE.4: /{FILE}/i
WORD.3: /\S*?{LETTER}(?=\*-?[\d.]+(?:\s*$|\s+[+-]))|\S+/
%ignore /\s+/
"""
SCHEMES = ("like", "image", "phrase")
_PLAIN = re.compile(r'[^"“„+\-:*\[.]*')  # no sign that any token but a word has
_SCHEME = re.compile(r"([A-Za-z]+):\S*")


def parse(text: str) -> Query:
    """Read a query; `BadInput` shows the place of a mistake with a caret below it."""
    if len(text) > MAX_CHARACTERS:
        raise BadInput(
            f"the query has {len(text):,} characters, the limit is {MAX_CHARACTERS:,}; make it shorter"
        )
    if _PLAIN.fullmatch(text):
        return Query((Part(text=text),))  # as most are, and a first search need not make the parser
    tokens = list(_parser().lex(text))
    for token in tokens:
        if token.type == "UNCLOSED":
            raise _mistake("the quotes that open here are not closed", text, token)
    if not _is_sum(tokens, text):
        words, phrases = _unquoted(text, tokens, 0, len(text))
        return Query((Part(text=words),), phrases=phrases)
    try:
        query: Query = _Terms(text).transform(_parser().parse(text))
    except UnexpectedToken as error:
        raise _mistake(_reason(error.token), text, error.token) from None
    except VisitError as error:
        raise error.orig_exc from None
    return query


def parse_sum(text: str) -> Query:
    """Read a sum in which every term is marked; `BadInput` for plain words, and for more than one line.

    For texts of programs: what people type may be plain words, which `parse` takes as they are.
    """
    if "\n" in text or not text:
        raise BadInput("a query is one line")
    bare = next((token for token in _parser().lex(text) if token.type in ("WORD", "UNCLOSED")), None)
    if bare is not None:
        raise _mistake("words of a sum stand in quotes", text, bare)
    query = parse(text)
    if len(query.parts) == 1 and query.phrases == (query.parts[0].text,) and "phrase:" not in text:
        return replace(query, phrases=())  # quotes alone would be a phrase
    return query


def _is_sum(tokens: Sequence[Token], text: str) -> bool:
    """Say whether any term is marked as one; see the top of this file."""
    operators = [token for token in tokens if token.type == "OPERATOR"]
    if any(token == "-" and re.match(LETTER, text[token.end_pos :]) for token in operators):
        return True
    return any(_is_marked(piece, alone=not operators) for piece in _pieces(tokens))


def _pieces(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    piece: list[Token] = []
    for token in tokens:
        if token.type == "OPERATOR":
            yield piece
            piece = []
        else:
            piece.append(token)
    yield piece


def _is_marked(piece: Sequence[Token], *, alone: bool) -> bool:
    if not piece:
        return False
    first, rest = piece[0], piece[1:]
    if first.type in ("LIKE", "IMAGE", "PHRASE"):
        return True
    if first.type in ("FILE", "QUOTED") and all(token.type in ("BOX", "WEIGHT") for token in rest):
        return first.type == "FILE" or bool(rest) or not alone
    last = piece[-1]
    return bool(
        rest
        and last.type == "WEIGHT"
        and _number(last[1:]) is not None
        and re.search(rf"{LETTER}$", piece[-2])
    )


class _Terms(Transformer[Token, Any]):
    """The parser's tree of a sum, as a `Query`; it keeps the text, to show where a mistake is."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def start(self, children: list[Any]) -> Query:
        parts: list[Part] = []
        phrases: list[str] = []
        sign = 1.0
        for child in children:
            if isinstance(child, Token):
                sign = -1.0 if child == "-" else 1.0
                continue
            place, part, named = child
            if part is None and sign < 0:
                raise _mistake(
                    "a phrase cannot be taken away; use a filter: not text matches", self.text, place
                )
            if part is not None:
                parts.append(replace(part, weight=sign * part.weight))
            phrases += named
            sign = 1.0
        return Query(tuple(parts) or (Part(text=" ".join(phrases)),), phrases=tuple(phrases))

    def term(self, children: list[Any]) -> tuple[Token, Part | None, tuple[str, ...]]:
        place, part, phrases = children[0]
        if len(children) == 1:
            return place, part, phrases
        if part is None:
            raise _mistake("a phrase has no weight: it must be found", self.text, children[1])
        weight = _number(children[1][1:])
        if weight is None:
            raise _mistake("a weight is a number, as in *0.5", self.text, children[1])
        return place, replace(part, weight=weight), phrases

    def like(self, children: list[Token]) -> tuple[Token, Part, tuple[str, ...]]:
        name = children[0].partition(":")[2]
        item = int(name) if re.fullmatch(r"[0-9]{1,19}", name) else self._inner(children[0], name)
        return children[0], Part(item=item, region=self._box(children)), ()

    def image(self, children: list[Token]) -> tuple[Token, Part, tuple[str, ...]]:
        token = children[0]
        path = self._inner(token, token[len("image:") :]) if token.type == "IMAGE" else str(token)
        return token, Part(picture=Path(path), region=self._box(children)), ()

    def phrase(self, children: list[Token]) -> tuple[Token, None, tuple[str, ...]]:
        return children[0], None, (self._inner(children[0], children[0][len("phrase:") :]),)

    def words(self, tokens: list[Token]) -> tuple[Token, Part, tuple[str, ...]]:
        first, last = tokens[0], tokens[-1]
        scheme = _SCHEME.fullmatch(first) if len(tokens) == 1 else None
        if scheme is not None:
            raise _mistake(_about_scheme(scheme[1]), self.text, first)
        words, phrases = _unquoted(self.text, tokens, first.start_pos or 0, last.end_pos or 0)
        whole = len(tokens) == 1 and first.type == "QUOTED"
        return first, Part(text=words), () if whole else phrases

    def _box(self, children: list[Token]) -> Region | None:
        if len(children) == 1:
            return None
        token = children[1]
        numbers = [_number(number) for number in token.strip("[]").split(",")]
        given = [number for number in numbers if number is not None]
        if len(numbers) != 4 or len(given) != 4 or not token.endswith("]"):
            raise _mistake(
                "a box is [x,y,width,height], in pixels or in shares such as 0.5", self.text, token
            )
        return Region(*given)

    def _inner(self, token: Token, name: str) -> str:
        inner = _inside(name) if name[0] in '"“„' else name
        if not inner.strip():
            raise _mistake("there is nothing between these quotes", self.text, token)
        return inner


def _unquoted(text: str, tokens: Sequence[Token], start: int, end: int) -> tuple[str, tuple[str, ...]]:
    """Return a stretch of the text without the quotes of its tokens, and what stood in them."""
    words, phrases = "", []
    for token in tokens:
        if token.type == "QUOTED":
            if not (inner := _inside(token)).strip():
                raise _mistake("there is nothing between these quotes", text, token)
            words += text[start : token.start_pos] + inner
            phrases.append(inner)
            start = token.end_pos or start
    return words + text[start:end], tuple(phrases)


def _inside(quoted: str) -> str:
    inner = quoted[1:-1]
    return re.sub(r'\\(["\\])', r"\1", inner) if quoted[0] == '"' else inner


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _about_scheme(scheme: str) -> str:
    if scheme.lower() in SCHEMES:
        return f"{scheme}: needs a name directly behind it"
    known = ", ".join(f"{name}:" for name in SCHEMES)
    return f"there is no {scheme}: (only {known}); if these are words, put them in quotes"


def _reason(token: Token) -> str:
    if token.type in ("OPERATOR", "$END"):
        return "a term is missing here"
    if token.type == "BOX":
        return "only a picture or an item can have a box"
    if token.type == "WEIGHT":
        return 'a weight stands behind one term, as in "people"*0.5'
    return "write + or - between two terms, and quotes around words"


def _mistake(said: str, text: str, token: Token) -> BadInput:
    at = len(text) if token.type == "$END" or token.start_pos is None else token.start_pos
    return BadInput(pointed(said, text, at))


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="basic")
