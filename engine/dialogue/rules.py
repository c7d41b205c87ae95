"""Rules: an utterance becomes moves. They are tried in order, and know no model.

What no rule fits is left open (`Do.OPEN`), for the text model's vectors or a language model to decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.dialogue.columns import filter_move, holding_move
from engine.dialogue.items import named
from engine.dialogue.moves import Do, Move, Said

Rule = tuple[re.Pattern[str], Callable[[re.Match[str], Said], list[Move] | None]]

POLITE = re.compile(
    r"^(?:(?:please|okay|ok)[,\s]+|(?:well|now|no|yes|thanks|hmm|so),\s*|(?:can|could|would) you (?:please )?"
    r"|i(?:'d| would) (?:like|prefer|rather have) |i want (?:to see )?|let me see |give me |show me )+",
    re.IGNORECASE,
)
SEEKING = re.compile(
    r"^(?:(?:new )?search(?: for)?:?|(?:i(?:'m| am) )?look(?:ing)? for|find(?: me)?) (.+)$",
    re.IGNORECASE,
)
ENDING = re.compile(r"(?:[\s,]+(?:please|thanks|thank you|now|though|maybe))*[\s.!?…]*$", re.IGNORECASE)

PLACED = (
    "at in on under over above below beside behind near by through across during around inside outside into"
    " against wearing holding from of along between while where who that which next is are"
).split()
CUT = re.compile(
    r"\s*(?:[,;]\s*(?:and |but )?|\b(?:and|but) )"
    r"(?=(?:also|without|not|no|more|less|fewer|only|unlike|nothing like|make it)\b"
    r"|(?:before|after|since) \d)",
    re.IGNORECASE,
)
CUT_AFTER_ITEMS = re.compile(r"\s*(?:[,;]\s*(?:and |but )?|\b(?:and|but) )", re.IGNORECASE)


def read(utterance: str, said: Said) -> list[Move]:
    """Read an utterance as moves; `BadInput` where it speaks of a hit that is not there."""
    text = tidied(utterance)
    if seeking := SEEKING.match(text):
        return [Move(Do.NEW, seeking[1])]
    asks = POLITE.match(text)
    text = POLITE.sub("", text)
    moves = [move for clause in CUT.split(text) if clause for move in _clause(clause, said)]
    if asks and re.search(r"show me|give me|want", asks[0], re.IGNORECASE) and len(moves) == 1:
        if moves[0].do is Do.OPEN:
            return [Move(Do.NEW, moves[0].text)]
    return moves


def tidied(utterance: str) -> str:
    """Return an utterance in one line, without what ends a sentence."""
    return ENDING.sub("", " ".join(utterance.split()))


def _clause(text: str, said: Said) -> list[Move]:
    for pattern, make in RULES:
        match = pattern.fullmatch(text)
        moves = make(match, said) if match else None
        if moves is not None:
            return moves
    return [Move(Do.OPEN, text)]


def _restart(match: re.Match[str], said: Said) -> list[Move]:
    rest = match["rest"]
    return [Move(Do.RESTART)] + ([Move(Do.NEW, rest)] if rest else [])


def _same(match: re.Match[str], said: Said) -> list[Move] | None:
    moves = [move for clause in CUT.split(match["rest"]) if clause for move in _clause(clause, said)]
    return [Move(Do.ADD, move.text) if move.do is Do.OPEN else move for move in moves] or None


def _items(do: Do) -> Callable[[re.Match[str], Said], list[Move] | None]:
    def made(match: re.Match[str], said: Said) -> list[Move] | None:
        ids, rest = named(match["rest"], said)
        if not ids:
            return None
        more = [m for clause in CUT_AFTER_ITEMS.split(rest) if clause for m in _clause(clause, said)]
        return [Move(do, items=tuple(ids)), *(Move(Do.ADD, m.text) if m.do is Do.OPEN else m for m in more)]

    return made


def _words(do: Do) -> Callable[[re.Match[str], Said], list[Move] | None]:
    """Make one move of each thing named, as in "people and cars"."""

    def made(match: re.Match[str], said: Said) -> list[Move] | None:
        things = [thing.strip() for thing in re.split(r"\s*(?:,|\band\b|\bor\b)\s*", match["rest"])]
        return [Move(do, thing) for thing in things if thing] or None

    return made


def _whole(do: Do) -> Callable[[re.Match[str], Said], list[Move] | None]:
    return lambda match, said: [Move(do, match["rest"])]


def _only(match: re.Match[str], said: Said) -> list[Move] | None:
    rest = match["rest"]
    if kind := re.fullmatch(r"(?:the )?(?:(pictures|photos|images|photographs)|texts|notes)", rest, re.I):
        return [Move(Do.KIND, "image" if kind[1] else "text")]
    move = filter_move(rest, said, strictly=True) or holding_move(rest, said)
    return [move or Move(Do.ONLY, rest)]


def _filtered(match: re.Match[str], said: Said) -> list[Move] | None:
    move = filter_move(match[0], said, strictly=False)
    return [move] if move else None


def _instead(match: re.Match[str], said: Said) -> list[Move]:
    groups = match.groupdict()
    return [Move(Do.INSTEAD, groups["rest"], groups.get("other") or "")]


def _quality(match: re.Match[str], said: Said) -> list[Move] | None:
    word = match["word"].lower()
    for one, other in OPPOSITES:
        if word in (comparative(one), comparative(other)):
            return [Move(Do.MORE, *((one, other) if word == comparative(one) else (other, one)))]
    return None


def comparative(quality: str) -> str:
    """Return the comparative of a quality: dark, darker; big, bigger; sunny, sunnier."""
    if quality.endswith("y"):
        return quality[:-1] + "ier"
    if quality.endswith("e"):
        return quality + "r"
    return quality + (quality[-1] if re.fullmatch(r"[^aeiou]*[aeiou][bdgmnpt]", quality) else "") + "er"


OPPOSITES = (
    *(
        ("bright", "dark"),
        ("warm", "cold"),
        ("big", "small"),
        ("large", "tiny"),
        ("old", "young"),
        ("new", "old"),
    ),
    *(("sunny", "cloudy"), ("sharp", "blurry"), ("busy", "quiet"), ("clean", "dirty"), ("high", "low")),
    *(("wide", "narrow"), ("tall", "short"), ("happy", "sad"), ("simple", "ornate"), ("close", "far")),
    *(("wet", "dry"), ("green", "brown"), ("snowy", "bare"), ("foggy", "clear"), ("wild", "tame")),
)


def _rule(pattern: str, make: Callable[[re.Match[str], Said], list[Move] | None]) -> Rule:
    return re.compile(pattern, re.IGNORECASE), make


AGAIN = r"(?:start (?:over|again|afresh)|restart|reset|clear(?: it| all| everything)?|new search|begin again"
EVERYTHING = r"|forget (?:it|all|everything)(?: all)?|from scratch)"
AND_FIND = r"(?:[:,]?(?: with| and search for| and find)? (?P<rest>.+))?"
BACK = r"(?:undo|go back|back|revert)(?: (?:that|it|this|one step|the last(?: one| step| change)?))?"
SAME = r"(?:the )?same(?: (?:thing|one|scene|place|picture|photo|search|query))?(?: again)?,?"
AWAY = r"(?:without|no|not|minus|except(?: for)?|excluding|leave out|remove|hide|take (?:away|out|off))"
ANY = r"(?: (?:any|the|all|so many|so much))*"
ALL_TIMES = r"(?:from )?any (?:year|time|date|place)|from anywhere|any kind"
MUCH = r"(?:a bit |a little |much |even |some |a lot |slightly |somewhat |make it )?"
AND = (
    r"(?:and|but|also|plus|add|including|with|what about|how about|there (?:is|are)|it (?:has|shows)|they are"
)

RULES: tuple[Rule, ...] = (
    _rule(AGAIN + EVERYTHING + AND_FIND, _restart),
    _rule(BACK + "|take (?:that|it|this) back", lambda match, said: [Move(Do.UNDO)]),
    _rule(SAME + r"(?: (?:but|just|only now|now))? (?P<rest>.+)", _same),
    _rule(r"(?:even )?(?:less|not|nothing|no more|not any more) like (?P<rest>.+)", _items(Do.UNLIKE)),
    _rule(r"(?:unlike|different from|other than|not|without|hide|remove|no) (?P<rest>.+)", _items(Do.UNLIKE)),
    _rule(r"(?:even |some )?(?:more )?(?:like|similar to|of|closer to) (?P<rest>.+)", _items(Do.LIKE)),
    _rule(r"(?:no|without|remove|drop|clear)(?: the)? filters?", lambda match, said: [Move(Do.UNFILTER)]),
    _rule(ALL_TIMES, lambda match, said: [Move(Do.UNFILTER)]),
    _rule(r"(?:show )?(?:only|just|nothing but) (?P<rest>.+)", _only),
    _rule(r"(?:where|filter:?) (?P<rest>.+)", lambda match, said: [Move(Do.FILTER, match["rest"])]),
    _rule(r".*\d{4}.*", _filtered),
    _rule(r"instead of (?P<other>.+?), (?P<rest>.+)", _instead),
    _rule(r"(?P<rest>.+?) instead of (?P<other>.+)", _instead),
    _rule(r"replace (?P<other>.+) (?:with|by) (?P<rest>.+)", _instead),
    _rule(rf"{MUCH}(?P<word>\w+er)(?: one| ones)?", _quality),
    _rule(r"(?:rather |make it |change it to |instead,? )(?P<rest>.+)", _instead),
    _rule(r"(?P<rest>.+?),? instead", _instead),
    _rule(rf"(?:but )?{AWAY}{ANY} (?P<rest>.+)", _words(Do.LESS)),
    _rule(rf"{MUCH}(?:less|fewer) (?P<rest>.+)", _words(Do.LESS)),
    _rule(r"(?:forget|drop|never mind|ignore)(?: about)?(?: the)? (?P<rest>.+)", _words(Do.DROP)),
    _rule(rf"{MUCH}more (?P<rest>.+)", _whole(Do.MORE)),
    _rule(AND + r"|i see|i mean|there should be)(?: (?:with|also|and))* (?P<rest>.+)", _whole(Do.ADD)),
    _rule(rf"(?P<rest>(?:{'|'.join(PLACED)}|\w+ing) .+|\w+ing)", _whole(Do.ADD)),
)
