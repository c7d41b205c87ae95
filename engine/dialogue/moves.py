"""What an utterance asks to be done with a query: the moves, and what they may speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import BadInput

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Do(StrEnum):
    """The kinds of moves."""

    NEW = "new"  # look for something else
    SUM = "sum"  # add terms of the query language
    ADD = "add"
    LESS = "less"  # take away
    DROP = "drop"  # say no more of it, neither for nor against
    ONLY = "only"
    MORE = "more"  # a quality: more of `text`, less of `other`
    INSTEAD = "instead"  # `text` where `other` was, or what is most like it
    LIKE = "like"
    UNLIKE = "unlike"
    FILTER = "filter"  # `text` is a filter, about the column `other`
    UNFILTER = "unfilter"
    KIND = "kind"
    RESTART = "restart"
    UNDO = "undo"
    OPEN = "open"  # the rules leave open what is meant


@dataclass(frozen=True, slots=True)
class Move:
    """One thing to do, with words, or with items by id."""

    do: Do
    text: str = ""
    other: str = ""
    items: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What an utterance may speak of.

    `shown` are the ids of the last hits, `spoken_of` the item last named; `columns` has the type of each
    column of the metadata, and `holds` says whether some item has such a value in a column.
    """

    shown: tuple[int, ...] = ()
    spoken_of: int | None = None
    columns: Mapping[str, str] | None = None
    holds: Callable[[str, str], bool] = lambda column, value: False

    def at(self, rank: int) -> int:
        """Return the item that is shown at a rank, from 1; 0 is the last. `BadInput` where there is none."""
        if not self.shown:
            raise BadInput("nothing is shown yet; search for something, then speak of its hits")
        if rank > len(self.shown):
            raise BadInput(f"{len(self.shown)} hits are shown, so there is no number {rank}")
        return self.shown[rank - 1]

    def that(self) -> int:
        """Return the item that "that one" means: the one last named, else the first shown."""
        return self.spoken_of if self.spoken_of is not None else self.at(1)
