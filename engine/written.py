"""A query as text that `grammar.parse` reads back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.grammar import BARE, FILE, parse
from engine.types import Part, Query


def written(query: Query) -> str | None:
    """Write a query as text that `parse` reads back (its kind aside), or `None`: bytes have no name."""
    if any(part.picture is not None and not isinstance(part.picture, Path) for part in query.parts):
        return None
    wanted = replace(query, kind=None)
    for plain in _plain(query):
        try:
            if parse(plain) == wanted:
                return plain
        except BadInput:  # such as words that hold a quote
            continue
    terms = [_term(part) for part in query.parts] + [("+", f"phrase:{_quote(p)}") for p in query.phrases]
    if len(terms) == 1 and terms[0][1][-1] == '"':
        terms = [(terms[0][0], terms[0][1] + "*1")]  # quotes alone would be a phrase
    sum_of_terms = " ".join(f"{sign} {term}" for sign, term in terms)
    return sum_of_terms.removeprefix("+ ")


def _plain(query: Query) -> Iterator[str]:
    """Yield ways to write a query of one text without saying that it is a sum."""
    if len(query.parts) == 1 and (text := query.parts[0].text) is not None:
        yield text
        for phrase in query.phrases:
            text = text.replace(phrase, _quote(phrase), 1)
        yield text


def _term(part: Part) -> tuple[str, str]:
    if part.text is not None:
        name = _quote(part.text)
    elif part.item is not None:
        bare = isinstance(part.item, int) or (
            re.fullmatch(BARE, part.item) and not re.fullmatch("[0-9]+", part.item)
        )
        name = f"like:{part.item}" if bare else f"like:{_quote(str(part.item))}"
    else:
        path = str(part.picture)
        name = (
            path
            if re.fullmatch(FILE, path, re.IGNORECASE) and path[0] not in "+-"
            else f"image:{_quote(path)}"
        )
    if part.region is not None:
        box = part.region
        name += f"[{','.join(map(_digits, (box.x, box.y, box.width, box.height)))}]"
    weight = abs(part.weight)
    return "-" if part.weight < 0 else "+", name if weight == 1 else f"{name}*{_digits(weight)}"


def _digits(number: float) -> str:
    return np.format_float_positional(number, trim="-")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
