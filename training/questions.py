"""Questions on pictures, made from their captions by rules (the idea of VQ2A, arXiv 2205.01883).

A caption says what could be asked: "two brown dogs run on the beach" answers how many dogs there are, what
color
they are, and where. The rules know closed lists of colors, numbers, animals and places; which words are nouns
they learn from the captions themselves, by what stands before and behind them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.telling.asked import (
    COLORS,
    COUNTS,
    KINDS,
    NUMBERS,
    PLACES,
    is_doing,
    singular_of,
)
from engine.telling.words import split
from training.question_words import ALIKE, ANIMALS, BEHIND, DETERMINERS, NO_NOUNS, PEOPLE, WHAT

__all__ = ["KINDS", "Question", "Rules"]
HELD = ("wearing", "holding", "riding", "carrying", "eating", "throwing", "catching", "chasing", "pulling")
ONES_KEPT = 0.2  # of the questions that "one" answers: captions are about one of a thing, mostly
LEAST_SEEN = 20  # photographs that have a noun, before it is asked about


@dataclass(frozen=True, slots=True)
class Question:
    """A question on one photograph, its kind, and the answers that count as right, the commonest first."""

    photo: int
    text: str
    kind: str
    answers: tuple[str, ...]


class Rules:
    """What was learned from captions, and the questions made with it."""

    def __init__(self, captions: Iterable[Sequence[str]]) -> None:
        """Learn from the captions of the training photographs, a sequence a photograph."""
        total: Counter[str] = Counter()
        nominal: Counter[str] = Counter()
        everywhere = [[split(caption) for caption in of_one] for of_one in captions]
        for words in (words for of_one in everywhere for words in of_one):
            total.update(words)
            nominal.update(
                word
                for before, word, after in zip(["."] + words, words, [*words[1:], "."], strict=False)
                if (before in DETERMINERS or before in COLORS) and (after in BEHIND or is_doing(after))
            )
        usual = {word for word, count in nominal.items() if count >= 8 and count >= 0.2 * total[word]}
        names = usual - NO_NOUNS - set(COLORS) - set(NUMBERS) - DETERMINERS - BEHIND
        self.nouns = {word for word in names if not is_doing(word)}
        self.singular = {
            word: one for word in total if (one := singular_of(word)) in self.nouns and one != word
        }
        seen = Counter(noun for of_one in everywhere for noun in self._named(of_one))
        self.asked = {noun: seen[noun] for noun in sorted(seen) if seen[noun] >= LEAST_SEEN}

    def ask(self, photo: int, captions: Sequence[str], rng: np.random.Generator) -> list[Question]:
        """Make the questions that a photograph's captions answer."""
        said = [split(caption) for caption in captions]
        made = [*self._whether(said, rng), *self._how_many(said, rng), *self._color(said)]
        made += [*self._where(said), *self._what(said)]
        return [Question(photo, text, kind, answers) for text, kind, answers in made]

    def _named(self, said: Sequence[Sequence[str]]) -> set[str]:
        """Return the things that captions name, in the singular."""
        found = {self.singular.get(word, word) for words in said for word in words}
        return {word for word in found if word in self.nouns}

    def _whether(
        self, said: Sequence[Sequence[str]], rng: np.random.Generator
    ) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Ask for things that are named, and for as many that no caption names; each as often as the other.

        What is not named may be there all the same: one caption says less than five, so it is not asked.
        """
        named = self._named(said)
        there = sorted(named & self.asked.keys())
        if len(said) < 4 or not there:
            return
        likely = set().union(*(group for group in ALIKE if group & named))
        away = [noun for noun in self.asked if noun not in named | likely]
        away = [n for n in away if not any(n in word or word in n for word in named)]
        share = np.array([self.asked[noun] for noun in away], float)
        chosen = rng.choice(away, size=min(len(there), 4), replace=False, p=share / share.sum())
        for noun in rng.permutation(there)[:4]:
            yield f"is there {_article(noun)} {noun} in the picture?", "yes/no", ("yes",)
        for noun in chosen:
            yield f"is there {_article(noun)} {noun} in the picture?", "yes/no", ("no",)

    def _how_many(
        self, said: Sequence[Sequence[str]], rng: np.random.Generator
    ) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Ask for the number of what two captions count alike, and none otherwise."""
        votes: dict[str, Counter[str]] = {}
        for words in said:
            for place, word in enumerate(words):
                noun = self.singular.get(word, word)
                if noun not in self.nouns or (noun in PLACES and noun not in ANIMALS):
                    continue
                before = words[max(0, place - 3) : place]
                number = next((w for w in reversed(before) if w in DETERMINERS), None)
                count = {"a": "one", "an": "one"}.get(number or "", number)
                if count in COUNTS and (count == "one") == (word == noun):
                    votes.setdefault(noun, Counter())[count] += 1
                elif word != noun:
                    votes.setdefault(noun, Counter())["many"] += 1
        for noun, counted in votes.items():
            many = counted.pop("many", 0)
            if not counted or (many and "one" in counted):
                continue
            (count, times), rest = counted.most_common(1)[0], len(counted) - 1
            counts = noun in PEOPLE | ANIMALS | {"car", "bike", "boat"}
            # most captions are about one: were all of them asked, "one" would be the answer without looking
            if count == "one" and rng.random() > ONES_KEPT:
                continue
            if times >= 2 and not rest and counts:
                yield f"how many {_plural(noun)} are there?", "count", (count,)

    def _color(self, said: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Ask for the color of what has one color, whoever says so."""
        votes: dict[str, Counter[str]] = {}
        for words in said:
            for color, noun in zip(words, words[1:], strict=False):
                before = words[max(0, words.index(color) - 2) : words.index(color)]
                if color in COLORS and noun in self.nouns | self.singular.keys() and "and" not in before:
                    votes.setdefault(noun, Counter())[color] += 1
        for noun, colors in votes.items():
            if len(colors) == 1:
                verb = "are" if noun in self.singular else "is"
                yield f"what color {verb} the {noun}?", "color", tuple(colors)

    def _where(self, said: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Ask where it is, when a caption says so behind "in", "on", "at" or "through"."""
        found: Counter[str] = Counter()
        for words in said:
            for place, word in enumerate(words):
                near = words[max(0, place - 4) : place]
                if word in PLACES and any(w in ("in", "on", "at", "through", "across", "down") for w in near):
                    found[word] += 1
        if not found:
            return
        answers = tuple(word for word, _ in found.most_common())
        who = Counter(n for n in (self._subject(words) for words in said) if n)
        yield "where was this picture taken?", "where", answers
        if who:
            yield f"where is the {who.most_common(1)[0][0]}?", "where", answers

    def _what(self, said: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Ask what somebody does, wears, holds or rides, and which animal, vehicle, sport or food it is."""
        doing: dict[str, Counter[str]] = {}
        held: dict[tuple[str, str], Counter[str]] = {}
        for words in said:
            who = self._subject(words)
            acts = [word for word in words if is_doing(word) and word not in self.nouns]
            if who and acts:
                doing.setdefault(who, Counter()).update(acts)
            for place, word in enumerate(words):
                thing = next((w for w in words[place + 1 : place + 5] if w in self.nouns), None)
                if who and word in HELD and thing and thing not in PEOPLE:
                    held.setdefault((who, word), Counter())[thing] += 1
        for who, acts_of in doing.items():
            yield f"what is the {who} doing?", "what", tuple(act for act, _ in acts_of.most_common())
        for (who, act), things in held.items():
            yield f"what is the {who} {act}?", "what", tuple(thing for thing, _ in things.most_common())
        named = Counter(self.singular.get(w, w) for words in said for w in dict.fromkeys(words))
        for kind, members in WHAT.items():
            found = [word for word, _ in named.most_common() if word in members]
            if found:
                yield f"what {kind} is in the picture?", "what", tuple(found)
        subjects = Counter(n for n in (self._subject(words) for words in said) if n)
        if subjects:
            yield "what is in the picture?", "what", tuple(word for word, _ in subjects.most_common())

    def _subject(self, words: Sequence[str]) -> str | None:
        """Return who a caption is about: its first noun, in the singular."""
        first = next((w for w in words[:6] if w in self.nouns or w in self.singular), None)
        return self.singular.get(first, first) if first else None


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _plural(noun: str) -> str:
    irregular = {"man": "men", "woman": "women", "child": "children", "person": "people", "sheep": "sheep"}
    if noun in irregular:
        return irregular[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")
