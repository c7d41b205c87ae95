"""The text model's vectors decide what rules leave open: a new search, a part more, one for another.

Cosines of different models lie on different scales, so none is held against a number: how alike two texts are
is told by how many of a bank of unrelated scenes are less alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.types import Floats

# Scenes with little in common: what is no nearer to the query than these are is another search.
SCENES = (
    "a man riding a motorcycle on a road",
    "a plate of food on a table",
    "a cat sleeping on a sofa",
    "children playing football on a field",
    "a boat on a lake",
    "a bathroom with a sink and a mirror",
    "a snowy mountain with skiers",
    "a laptop on a desk",
    "a train at a station",
    "a giraffe standing in the grass",
    "a woman with an umbrella in the rain",
    "people dancing at a party",
    "a vase of flowers",
    "a tall building against the sky",
    "a dog catching a frisbee",
    "a surfer on a wave",
)
# What a picture can be only one of: another of the same row takes the place of the one before.
SLOTS = (
    ("at night", "at dawn", "at sunset", "in daylight", "in the morning", "in the evening", "by day"),
    ("in winter", "in summer", "in spring", "in autumn"),
    ("indoors", "outdoors"),
    ("in black and white", "in color"),
)
RELATED = 0.5  # deviations above the mean likeness to SCENES from which an utterance goes on with the search
SAME_SLOT = (
    0.8  # cosine to a word of a row from which a text belongs to the row, for texts that do not stand there
)


@dataclass
class Judge:
    """Decides by the vectors of texts: `encode` gives (n, dim) unit vectors, of a text that `fits`."""

    encode: Callable[[Sequence[str]], Floats]
    fits: Callable[[str], bool]
    _known: dict[str, Floats] = field(default_factory=dict)

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Encode texts, those of the bank once."""
        fixed = {*SCENES, *(text for row in SLOTS for text in row)}
        wanted = [text for text in dict.fromkeys(texts) if text not in self._known]
        made = dict(zip(wanted, self.encode(wanted), strict=True)) if wanted else {}
        self._known.update({text: vector for text, vector in made.items() if text in fixed})
        return np.stack([self._known[text] if text in self._known else made[text] for text in texts])

    def relation(self, utterance: str, query: Sequence[str]) -> float:
        """Say by how many deviations an utterance is more like the query than like unrelated scenes."""
        vectors = self.vectors([utterance, *query, *SCENES])
        asked, parts, scenes = vectors[0], vectors[1 : 1 + len(query)], vectors[1 + len(query) :]
        whole = parts.sum(axis=0)
        beside = scenes @ asked
        likeness = float(whole @ asked / max(float(np.linalg.norm(whole)), 1e-6))
        return (likeness - float(beside.mean())) / max(float(beside.std()), 1e-3)

    def goes_on(self, utterance: str, query: Sequence[str]) -> bool:
        """Say whether an utterance says more of what is looked for, rather than something else."""
        return not query or self.relation(utterance, query) >= RELATED

    def nearest(self, text: str, among: Sequence[str]) -> int:
        """Return the place of the text that is most alike."""
        vectors = self.vectors([text, *among])
        return int((vectors[1:] @ vectors[0]).argmax())

    def rival(self, text: str, among: Sequence[str]) -> int | None:
        """Return the place of a text that cannot hold beside another, as "at night" beside "at dawn"."""
        slot = self._slot(text)
        if slot is None:
            return None
        same = [place for place, one in enumerate(among) if one != text and self._slot(one) == slot]
        return same[-1] if same else None

    def _slot(self, text: str) -> int | None:
        folded = text.casefold()
        for place, row in enumerate(SLOTS):
            if folded in row:
                return place
        if len(folded.split()) > 4:
            return None
        words = [one for row in SLOTS for one in row]
        vectors = self.vectors([folded, *words])
        near = vectors[1:] @ vectors[0]
        if float(near.max()) < SAME_SLOT:
            return None
        word = words[int(near.argmax())]
        return next(place for place, row in enumerate(SLOTS) if word in row)
