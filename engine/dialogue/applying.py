"""Moves change what is asked; each says in a line what it did."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from engine.dialogue.judge import Judge
from engine.dialogue.moves import Do, Move
from engine.dialogue.state import Asked
from engine.errors import BadInput
from engine.filters import parse as parse_filter
from engine.grammar import parse
from engine.query import MAX_PARTS
from engine.types import Kind, Part, Query

LIKE, UNLIKE = 0.5, -0.3  # an item says more than words do: its picture is nearer to other pictures
JOIN = ", "  # what is added is read with what is looked for, as one sentence,
STRESS = 0.25  # and counts a little on its own, while it is one of the last (bench/dialogue.py);
STRESSED = 4
NEXT = 0.6  # where the model cannot read a sentence that long, another begins, which counts less
LESS = -0.5
QUALITY, OPPOSITE = 0.5, -0.25
MOST = 2.0  # that one part can count, however often it is asked for
ARTICLES = re.compile(r"^(?:(?:the|a|an|any|some|all) )+", re.IGNORECASE)


@dataclass
class Applying:
    """What is asked, while moves change it; `understood` says what they did.

    `name` gives the name of an item that a reader knows it by, and raises `ItemNotFound`.
    """

    asked: Asked
    judge: Judge
    name: Callable[[int], str]
    understood: list[str] = field(default_factory=list)
    spoken_of: int | None = None

    def all(self, moves: Sequence[Move]) -> None:
        """Make moves one after another; `BadInput` for one that cannot be made."""
        for move in moves:
            _MOVES[move.do](self, move)
        if len(self.asked.query.parts) > MAX_PARTS:
            raise BadInput(
                f"the query would have {len(self.asked.query.parts)} parts, the limit is {MAX_PARTS}; "
                "take something off, or start over"
            )

    def new(self, move: Move) -> None:
        """Look for something else; filters stay, since they say among what."""
        query = parse(move.text)
        self.asked = replace(self.asked, query=replace(query, kind=query.kind or self.asked.query.kind))
        self._say(f"new search: {self.asked.written()}")

    def sum(self, move: Move) -> None:
        """Add the terms of a query."""
        more, query = parse(move.text), self.asked.query
        parts, phrases = (*query.parts, *more.parts), query.phrases + more.phrases
        self.asked = replace(self.asked, query=Query(parts, query.kind, phrases))
        self._say(f"added: {move.text}")

    def add(self, move: Move) -> None:
        """Add words; those that were taken away, or cannot hold beside them, go."""
        text = ARTICLES.sub("", move.text) if _place(self._texts(True), move.text) is not None else move.text
        away = _place(self._texts(False), text)
        if away is not None:
            self._say(f"no longer taken off: {self._texts(False)[away]}")
            self._drop(self._texts(False)[away])
        texts = self._texts(True)
        there = _place(texts, text)
        if there is not None:
            self._weigh(texts[there], 0.5)
            self._say(f"more of: {texts[there]}")
            return
        rival = self.judge.rival(text, texts)
        if rival is not None:
            self._replace(texts[rival], text)
            self._say(f"replaced: {texts[rival]} by {text}")
            return
        self._join(text)
        self._say(f"added: {text}" if texts or self.asked.query.parts[1:] else f"new search: {text}")

    def less(self, move: Move) -> None:
        """Take something away: what asks for it goes, and what shows it comes later."""
        text = ARTICLES.sub("", move.text)
        if not self.asked.query.parts:
            raise BadInput(f"there is nothing yet to take {text!r} away from; say first what to look for")
        there = _place(self._texts(True), text)
        if there is not None:
            self._drop(self._texts(True)[there])
        for whole in self._texts(True):
            rest = _without(whole, text)
            if rest and rest != whole:
                self._replace(whole, rest)
        away = _place(self._texts(False), text)
        self._weigh(text if away is None else self._texts(False)[away], LESS)
        self._say(f"taken off: {text}")

    def drop(self, move: Move) -> None:
        """Say no more of something, neither for nor against it."""
        text = ARTICLES.sub("", move.text)
        texts = [*self._texts(True), *self._texts(False)]
        there = _place(texts, text)
        holding = [one for one in texts if re.search(rf"\b{re.escape(text)}\b", one, re.IGNORECASE)]
        if there is None and not holding:
            raise BadInput(f"the query does not speak of {text!r}; it is: {self.asked.written() or 'empty'}")
        self._drop(texts[there] if there is not None else holding[-1])
        self._say(f"taken out: {texts[there] if there is not None else holding[-1]}")

    def only(self, move: Move) -> None:
        """Look for nothing but this; what was taken away stays away."""
        gone = self._texts(True)
        kept = tuple(p for p in self.asked.query.parts if p.text is None or p.weight < 0)
        kept = tuple(p for p in kept if p.text is None or _plain(p.text) != _plain(move.text))
        self.asked = self.asked.with_parts((Part(text=move.text), *kept))
        others = [text for text in gone if _plain(text) != _plain(move.text)]
        self._say(f"only: {move.text}" + (f"; taken out: {', '.join(others)}" if others else ""))

    def more(self, move: Move) -> None:
        """Ask for more of a quality, and less of its opposite."""
        if not self.asked.query.parts:
            raise BadInput(f"there is nothing yet to be more {move.text!r}; say first what to look for")
        for text, weight in ((move.text, QUALITY), (move.other, OPPOSITE)):
            if not text:
                continue
            other_side = _place(self._texts(weight < 0), text)
            if other_side is not None:
                self._drop(self._texts(weight < 0)[other_side])
            same = self._texts(weight > 0)
            there = _place(same, text)
            self._weigh(text if there is None else same[there], weight)
        self._say(f"more of: {move.text}" + (f"; less of: {move.other}" if move.other else ""))

    def instead(self, move: Move) -> None:
        """Put words in the place of others: of those named, else of the part or the word most like them."""
        texts = self._texts(True)
        if not texts:
            return self.new(move)
        other = ARTICLES.sub("", move.other)
        if other:
            place = _place(texts, other)
            holding = [t for t in texts if re.search(rf"\b{re.escape(other)}\b", t, re.IGNORECASE)]
            if place is None and not holding:
                raise BadInput(f"the query does not speak of {other!r}; it is: {self.asked.written()}")
            whole = texts[place] if place is not None else holding[-1]
        else:
            rival = self.judge.rival(move.text, texts)
            whole = texts[self.judge.nearest(move.text, texts) if rival is None else rival]
            words = whole.split()
            one_word = len(move.text.split()) == 1 and len(words) > 1
            other = words[self.judge.nearest(move.text, words)] if one_word else whole
        new = re.sub(rf"\b{re.escape(other)}\b", lambda _: move.text, whole, flags=re.IGNORECASE)
        self._replace(whole, new)
        self._say(f"replaced: {other} by {move.text}")

    def like(self, move: Move) -> None:
        """Look for more, or for less, like items."""
        weight = LIKE if move.do is Do.LIKE else UNLIKE
        names = []
        for item in move.items:
            names.append(self.name(item))
            same = [p for p in self.asked.query.parts if p.item == item and p.region is None]
            rest = tuple(p for p in self.asked.query.parts if p not in same)
            old = sum(p.weight for p in same if (p.weight > 0) == (weight > 0))
            new = float(max(-MOST, min(MOST, old + weight)))
            self.asked = self.asked.with_parts((*rest, Part(item=item, weight=round(new, 3))))
            self.spoken_of = item
        self._say(f"{'more' if move.do is Do.LIKE else 'less'} like: {', '.join(names)}")

    def filter(self, move: Move) -> None:
        """Restrict the search; what was said of the same column before goes."""
        parse_filter(move.text)
        kept = self.asked.filters
        if move.other:
            kept = tuple(one for one in kept if not re.search(rf"(?<!\w){re.escape(move.other)}(?!\w)", one))
        self.asked = replace(self.asked, filters=(*kept, move.text))
        self._say(f"only where: {move.text}")

    def unfilter(self, move: Move) -> None:
        """Search everything again."""
        if self.asked.filters or self.asked.query.kind:
            self._say("filter taken off: " + (self.asked.filter or f"only {self.asked.query.kind}"))
        else:
            self._say("there is no filter")
        self.asked = replace(self.asked, query=replace(self.asked.query, kind=None), filters=())

    def kind(self, move: Move) -> None:
        """Look only among pictures, or only among texts."""
        kind: Kind = "image" if move.text == "image" else "text"
        self.asked = replace(self.asked, query=replace(self.asked.query, kind=kind))
        self._say(f"only: {'pictures' if kind == 'image' else 'texts'}")

    def restart(self, move: Move) -> None:
        """Forget what was asked."""
        self.asked = Asked()
        self._say("started over")

    def open(self, move: Move) -> None:
        """Do what the text model takes the words to be: a new search, or one thing more."""
        texts = self._texts(True)
        if self.asked.query.parts and (not texts or self.judge.goes_on(move.text, texts)):
            return self.add(move)
        return self.new(move)

    def _say(self, line: str) -> None:
        self.understood.append(line)

    def _texts(self, wanted: bool) -> list[str]:
        """Return what is wanted in words, or what is taken away, one by one."""
        parts = [part for part in self.asked.query.parts if (part.weight > 0) == wanted]
        texts = [text for part in parts if part.text is not None for text in part.text.split(JOIN)]
        return list(dict.fromkeys(texts))

    def _join(self, text: str) -> None:
        """Say more in the last sentence that has room for it, else in a new one."""
        parts = list(self.asked.query.parts)
        open_ones = [n for n, p in enumerate(parts) if p.text is not None and p.weight in (1, NEXT)]
        whole = f"{parts[open_ones[-1]].text}{JOIN}{text}" if open_ones else ""
        if not open_ones or not self.judge.fits(whole):
            return self._append(Part(text=text, weight=NEXT if open_ones else 1.0))
        parts[open_ones[-1]] = replace(parts[open_ones[-1]], text=whole)
        stressed = [part for part in parts if part.text is not None and part.weight == STRESS]
        kept = [part for part in parts if len(stressed) < STRESSED or part is not stressed[0]]
        self.asked = self.asked.with_parts((*kept, Part(text=text, weight=STRESS)))

    def _append(self, part: Part) -> None:
        self.asked = self.asked.with_parts((*self.asked.query.parts, part))

    def _weigh(self, text: str, more: float) -> None:
        """Let a text count more, or less where `more` is negative; as a part of its own, if need be."""
        parts = list(self.asked.query.parts)
        own = next((n for n, part in enumerate(parts) if part.text == text), None)
        if own is None:
            return self._append(Part(text=text, weight=more))
        weight = round(max(-MOST, min(MOST, parts[own].weight + more)), 3)
        parts[own] = replace(parts[own], weight=weight or parts[own].weight)
        self.asked = self.asked.with_parts(tuple(parts))

    def _drop(self, text: str) -> None:
        self._replace(text, "")

    def _replace(self, text: str, new: str) -> None:
        """Say something else, or nothing, wherever a text is said."""
        query, parts = self.asked.query, list[Part]()
        for part in query.parts:
            texts = part.text.split(JOIN) if part.text is not None else []
            if text in texts:
                rest = [new if one == text else one for one in texts]
                part = replace(part, text=JOIN.join(one for one in rest if one))
            if part.text != "":
                parts.append(part)
        phrases = tuple(p for p in query.phrases if any(p in (part.text or "") for part in parts))
        self.asked = replace(self.asked, query=Query(tuple(parts), query.kind, phrases))


def _plain(text: str) -> str:
    """Return what two ways to name a thing have in common."""
    words = ARTICLES.sub("", " ".join(text.casefold().split())).removeprefix("with ").split()
    return " ".join(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words)


def _place(texts: Sequence[str], text: str) -> int | None:
    """Return where a text stands among others, whatever its articles and its number."""
    plain = _plain(text)
    return next((place for place, one in enumerate(texts) if _plain(one) == plain), None)


def _without(whole: str, text: str) -> str:
    """Cut one of the things that a text names out of it: "dogs and people" without people is "dogs"."""
    thing = rf"(?:(?:a|an|the|some|two|three|many) )?{re.escape(text)}"
    for pattern in (rf",? (?:and|or|with) {thing}$", rf"^{thing} (?:and|or) ", rf", {thing}(?=,)"):
        rest = re.sub(pattern, "", whole, flags=re.IGNORECASE)
        if rest != whole:
            return rest
    return whole


_MOVES: dict[Do, Callable[[Applying, Move], None]] = {
    Do.NEW: Applying.new,
    Do.SUM: Applying.sum,
    Do.ADD: Applying.add,
    Do.LESS: Applying.less,
    Do.DROP: Applying.drop,
    Do.ONLY: Applying.only,
    Do.MORE: Applying.more,
    Do.INSTEAD: Applying.instead,
    Do.LIKE: Applying.like,
    Do.UNLIKE: Applying.like,
    Do.FILTER: Applying.filter,
    Do.UNFILTER: Applying.unfilter,
    Do.KIND: Applying.kind,
    Do.RESTART: Applying.restart,
    Do.OPEN: Applying.open,
}
