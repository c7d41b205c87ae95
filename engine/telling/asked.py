"""What a question asks for: its kind, by its first words, and the words that can answer each kind."""

from __future__ import annotations

from engine.errors import BadInput
from engine.telling.words import LONGEST, split

KINDS = ("yes/no", "count", "color", "where", "what")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
COUNTS = NUMBERS[:6]
COLORS = tuple(
    """
    white black red blue brown green yellow pink orange purple gray tan silver gold blond
    """.split()
)
PLACES = tuple(
    """
    beach street park field grass snow water pool kitchen bathroom bedroom room road track mountain
    lake ocean river forest woods yard sidewalk city court table bench couch bed sand dirt hill rock
    cliff air wave playground restaurant store station stage fence garden path trail ramp sea stairs
    floor desk counter crowd chair boat rocks ice mud sky stadium slope tree car zoo house office
    building wall bridge creek stream rink carpet sofa airport runway desert parking tracks backyard
    lawn gym church
    """.split()
)
ASKS_WHETHER = frozenset(
    """
    is are was were does do did can has have isn't aren't could will
    """.split()
)
QUESTION_WORDS = frozenset("what where who which how what's where's who's whose".split())
NOT_DOING = frozenset(
    """
    building parking ring king string clothing railing ceiling wing swing evening morning thing
    something spring being painting wedding lighting during racing bring sling crossing boxing
    flooring wooding nothing anything swimming
    """.split()
)
ONES = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "guys": "guy", "kids": "kid",
    "puppies": "puppy", "ladies": "lady", "babies": "baby", "ponies": "pony", "buses": "bus",
    "sandwiches": "sandwich", "benches": "bench", "couches": "couch", "knives": "knife", "leaves": "leaf",
}  # fmt: skip


def is_doing(word: str) -> bool:
    """Say whether a word is what somebody does: running, jumping, sitting."""
    return word.endswith("ing") and len(word) > 4 and word not in NOT_DOING


def singular_of(word: str) -> str:
    """Return the singular of a plural, as far as an -s tells; another word as it is."""
    if word in ONES:
        return ONES[word]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def kind_of(question: str) -> tuple[str, list[str]]:
    """Return what kind a question is of, and its words; `BadInput` for what is none."""
    words = split(question)
    if not words:
        raise BadInput("there is no question in it; ask something such as: what color is the dog?")
    if len(words) > LONGEST:
        raise BadInput(f"the question has {len(words):,} words, the limit is {LONGEST}; ask a shorter one")
    first, rest = words[0], words[1:]
    if first == "how" and rest[:1] == ["many"]:
        return "count", words
    if first in ("what", "which", "what's") and rest[:1] in (["color"], ["colors"]):
        return "color", words
    if first in ("where", "where's"):
        return "where", words
    if first in ASKS_WHETHER and rest:
        return "yes/no", words
    if first in QUESTION_WORDS and rest and first != "how":
        return "what", words
    raise BadInput(
        f"{question.strip()[:60]!r} is not a question that can be answered here; start with is, are, "
        "how many, what color, where, what or who"
    )
