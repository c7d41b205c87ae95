"""Tell which words a model has not learned to read, and which text nobody can."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import name, normalize

from engine.types import Query

if TYPE_CHECKING:
    from engine.models import Model

WORD = re.compile(r"\w+")


def is_unicode(text: str) -> bool:
    """Say whether a text can be written down; JSON, and Python, may hold halves of characters that cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def unread(query: Query, model: Model) -> tuple[str, ...]:
    """Note the words in another script than the Latin one, in which all `Model.languages` are written.

    A model that does not say what it reads gets no note.
    """
    texts = [part.text for part in query.parts if part.text is not None]
    if not model.languages or all(text.isascii() for text in texts):
        return ()
    words = [word for text in texts for word in WORD.findall(normalize("NFKC", text))]
    strange = sum(not _is_latin(word) for word in words)
    if not strange:
        return ()
    which = "all" if strange == len(words) else f"{strange} of the {len(words)}"
    return (
        f"{model.encoder.name} reads {' and '.join(model.languages)}; {which} words of the query are in "
        "another script and mean nothing to it; docs/languages.md names models that read them",
    )


def _is_latin(word: str) -> bool:
    """Say whether all letters of a word are Latin; digits and marks are of any script."""
    return all(name(letter, "").startswith("LATIN") for letter in word if letter.isalpha())
