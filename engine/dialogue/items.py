"""Items as an utterance names them: "the second", "the first two and the last", "that one", "item 42"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.dialogue.moves import ORDINALS, Said

NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
THING = r"(?:one|picture|photo|image|hit|result)s?"
ONE = re.compile(
    rf"(?:(?:the|this|that|those) )?(?:first (?P<several>{'|'.join(NUMBERS)})\b"
    rf"|(?P<ordinal>{'|'.join(ORDINALS)}|last|top)\b|(?P<nth>\d{{1,4}})(?:st|nd|rd|th)\b"
    rf"|(?:(?:number|no\.?|{THING}) |#)(?P<rank>\d{{1,4}})\b)(?: {THING}\b)?"
    rf"|item (?P<item>\d{{1,18}})\b|(?P<that>(?:this|that)(?: {THING})?|it)(?=$|[\s,])",
    re.IGNORECASE,
)
JOIN = re.compile(r"\s*(?:,\s*(?:and\s+|or\s+)?|\band\s+|\bor\s+)", re.IGNORECASE)


def named(text: str, said: Said) -> tuple[list[int], str]:
    """Return the items that a text begins with, and what follows them."""
    ids: list[int] = []
    place = 0
    while match := ONE.match(text, place):
        ids += _ids(match, said)
        place = match.end()
        join = JOIN.match(text, place)
        if join is None or not ONE.match(text, join.end()):
            break
        place = join.end()
    return list(dict.fromkeys(ids)), text[place:].strip()


def _ids(match: re.Match[str], said: Said) -> Iterator[int]:
    if match["item"]:
        yield int(match["item"])
    elif match["that"]:
        yield said.that()
    elif match["several"]:
        yield from (said.at(rank) for rank in range(1, NUMBERS[match["several"].lower()] + 1))
    elif match["ordinal"]:
        word = match["ordinal"].lower()
        yield said.at(0 if word == "last" else 1 if word == "top" else ORDINALS.index(word) + 1)
    else:
        rank = int(match["nth"] or match["rank"])
        yield said.at(rank or len(said.shown) + 1)
