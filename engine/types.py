"""The words of the engine: plain frozen dataclasses (standard library and NumPy only)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from engine.pictures import Picture

Floats: TypeAlias = npt.NDArray[np.float32]
Ids: TypeAlias = npt.NDArray[np.int64]
Tokens: TypeAlias = npt.NDArray[np.int8]
Bitmap: TypeAlias = npt.NDArray[np.bool_]  # by item id: bitmap[id] says whether the item is meant
Kind: TypeAlias = Literal["image", "text"]
Scalar: TypeAlias = str | int | float | bool | None
PictureSource: TypeAlias = "Path | bytes | Picture"


class Signal(StrEnum):
    """One scored view of an item. The first two have vectors, and an index each."""

    VISUAL = "visual"  # the picture, in the joint space
    CAPTION = "caption"  # the words, in the joint space
    LEXICAL = "lexical"  # the words, as they are written
    OCR = "ocr"  # the words that stand in the picture
    OBJECTS = "objects"  # what the regions of the picture are called


OWN: Mapping[Kind, Signal] = {"image": Signal.VISUAL, "text": Signal.CAPTION}  # what every item of a kind has
Place: TypeAlias = tuple[Kind, Signal]  # the vectors of one signal, of items of one kind, lie in one index
PLACES: Mapping[str, Place] = {
    "visual": ("image", Signal.VISUAL),
    "caption": ("text", Signal.CAPTION),
    "image-caption": ("image", Signal.CAPTION),
}


@dataclass(frozen=True, slots=True)
class Region:
    """A box of an upright picture, from its top left corner.

    In pixels, or, when none of the four is over 1, in shares of the picture's width and height.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class LabeledRegion:
    """A box of a picture, in shares of it, and what is there; by a detector, or by a person (score 1).

    `feature` is (2048,) float32 where a detector made one, and no matter of equality.
    """

    box: Region
    label: str
    score: float = 1.0
    feature: Floats | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """A picture or a text, known by its `uri`.

    `text` is a text item's content, or a picture's caption. `picture` is where a picture comes
    from; `None` means the file the uri names. `regions` are those that people have drawn, if they have.
    Items that come out of a gallery have an `id`, in `ocr` the text that a machine read in the picture
    (`None`: it was not asked to), in `generated` a caption that a machine wrote for want of one by people,
    and no regions: `SearchEngine.regions` gives these.
    """

    uri: str
    kind: Kind = "image"
    text: str | None = None
    picture: PictureSource | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    id: int | None = None
    ocr: str | None = None
    regions: tuple[LabeledRegion, ...] | None = None
    generated: str | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder makes of n inputs, in one pass.

    `vectors` is (n, dim) float32, unit length. `tokens` is (n, T, D) int8, each token a unit
    vector times 127, or `None` when the model has no tokens; `lengths` (n,) counts the tokens
    of each input that are real, the rest being zeros.
    """

    vectors: Floats
    tokens: Tokens | None = None
    lengths: npt.NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def row(self, place: int) -> Encoded:
        """Return what was made of one input, as n = 1."""
        one = slice(place, place + 1)
        return Encoded(
            self.vectors[one],
            None if self.tokens is None else self.tokens[one],
            None if self.lengths is None else self.lengths[one],
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One weighted part of a query: exactly one of `text`, `picture`, `item` (an id or a uri) is set.

    `region` narrows a picture, or an item's picture, to a box of it.
    """

    text: str | None = None
    picture: PictureSource | None = None
    item: int | str | None = None
    weight: float = 1.0
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Weighted parts, the kind of item wanted (`None`: any), and phrases a hit must have word for word."""

    parts: tuple[Part, ...]
    kind: Kind | None = None
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """What reranking may cost: milliseconds, candidates, or both; `None` is no limit."""

    milliseconds: float | None = None
    candidates: int | None = None


@dataclass(frozen=True, slots=True)
class WordMap:
    """Where one word of the query looked.

    `grid` is (rows, columns) float32 over the whole picture, top row first, adding up to 1.
    `weight` is the word's share of the match; the weights of a query's words add up to 1.
    """

    word: str
    weight: float
    grid: Floats


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit is where it is: contributions add up to its score."""

    contributions: Mapping[str, float]
    recall_rank: int
    words: tuple[WordMap, ...] = ()


@dataclass(frozen=True, slots=True)
class Alike:
    """An item that stands behind a hit it hardly differs from.

    `likeness` is the cosine of the two pictures' vectors; `exact` says that both have the same bytes.
    """

    item: Item
    likeness: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: the item, its score (higher is better) and what the score is made of.

    `signals` has the score each signal gave, where it gave one; `alike` what was grouped behind it.
    """

    rank: int
    item: Item
    score: float
    probability: float | None
    signals: Mapping[str, float]
    explanation: Explanation | None = None
    alike: tuple[Alike, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a filtered search was run: over `allowed` of `held` items, by which way, and why.

    `estimated` is how many items the filter was thought to allow, from a sample, before its answer was known.
    `allowed` is `None` where it never had to be known: hits were asked for in excess, and each was checked;
    with an explanation it is counted all the same.
    """

    name: Literal["unfiltered", "pre-filter", "bitmap", "over-fetch", "empty"]
    allowed: int | None
    held: int
    estimated: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The hits of one search, best first, with the milliseconds each stage took.

    `no_match` says that nothing in the gallery fits, as far as the model can tell (`None`: it cannot);
    `misses` are then the nearest. `next_page` asks for the hits after these.
    """

    hits: tuple[Hit, ...]
    timings: Mapping[str, float]
    reranked: bool
    plan: Plan
    notes: tuple[str, ...] = ()
    no_match: bool | None = None
    misses: tuple[Hit, ...] = ()
    next_page: str | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, position: int) -> Hit:
        return self.hits[position]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a gallery knows of an item, enough to tell whether its source has changed.

    `size` (bytes) and `mtime_ns` are those of the file, `digest` the SHA-256 of its bytes; `signals` are
    those that were made of it, `detector` what found its regions.
    """

    size: int | None
    mtime_ns: int | None
    digest: str
    text: str | None
    metadata: Mapping[str, Scalar]
    signals: frozenset[Signal]
    detector: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item that was to be added, and why if it failed."""

    uri: str
    status: Literal["added", "updated", "unchanged", "moved", "failed"]
    reason: str = ""


@dataclass(slots=True)
class Report:
    """What an `add` did: how many items, and which failed. A failed item keeps its row, if it had one."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0  # known by their content: the uri is new, the id and the vectors are not
    removed: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> None:
        """Add one item to the counts."""
        if outcome.status == "failed":
            self.failed[outcome.uri] = outcome.reason
        else:
            setattr(self, outcome.status, getattr(self, outcome.status) + 1)

    def merge(self, other: Report) -> None:
        """Add another report's counts to this one."""
        for name in ("added", "updated", "unchanged", "moved", "removed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed.update(other.failed)

    def reasons(self) -> dict[str, list[str]]:
        """Return the uris of the failed items by reason, the commonest reason first."""
        reasons: dict[str, list[str]] = {}
        for uri, reason in self.failed.items():
            reasons.setdefault(reason, []).append(uri)
        return dict(sorted(reasons.items(), key=lambda pair: -len(pair[1])))
