"""The table of models that tell: how each key is described and loaded.

mini                    the embedded default
hf:NAME_OR_PATH         a model of transformers; one that reads regions with @FILE of a detector behind
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from engine.errors import ModelUnavailable

if TYPE_CHECKING:
    from engine.telling import Answerer, Captioner
    from engine.telling.mini import MiniTeller

DEFAULT = "mini"
T = TypeVar("T")
_loading = threading.Lock()
_loaded: dict[tuple[Any, str, str | None], Any] = {}


@dataclass(frozen=True, slots=True)
class Teller:
    """One row of the table; a loader takes what follows the colon of the key, and a device or `None`.

    A model that cannot do one of the two has no loader for it.
    """

    description: str
    license: str
    captioner: Callable[[str, str | None], Captioner] | None = None
    answerer: Callable[[str, str | None], Answerer] | None = None
    pattern: str = ""  # what follows the family's name in a key


@dataclass(frozen=True, slots=True)
class TellerInfo:
    """What `list_tellers` says of a key."""

    key: str
    description: str
    license: str
    captions: bool
    answers: bool


def list_tellers() -> list[TellerInfo]:
    """Describe every key, or pattern of keys, that tells."""
    return [
        TellerInfo(name + row.pattern, row.description, row.license, bool(row.captioner), bool(row.answerer))
        for name, row in TELLERS.items()
    ]


def open_captioner(key: str = DEFAULT, device: str | None = None) -> Captioner:
    """Load a model that writes captions; raises `ModelUnavailable` for another key, or missing weights."""
    row, reference = _row(key)
    if row.captioner is None:
        raise ModelUnavailable(f"{key} writes no captions; these do: {_known(captions=True)}")
    return _kept(row.captioner, reference, device)


def chosen_captioner(captions: bool | str | Captioner) -> Captioner | None:
    """Return the captioner of a key, the bundled one for `True`, none for `False`, or the one given."""
    if isinstance(captions, bool):
        return open_captioner() if captions else None
    return open_captioner(captions) if isinstance(captions, str) else captions


def open_answerer(key: str = DEFAULT, device: str | None = None) -> Answerer:
    """Load a model that answers questions; raises `ModelUnavailable` for another key, or missing weights."""
    row, reference = _row(key)
    if row.answerer is None:
        raise ModelUnavailable(f"{key} answers no questions; these do: {_known(captions=False)}")
    return _kept(row.answerer, reference, device)


def _kept(load: Callable[[str, str | None], T], reference: str, device: str | None) -> T:
    """Load a model, or return the one that was loaded before: a service is asked again and again."""
    with _loading:
        key = (load, reference, device)
        if key not in _loaded:
            _loaded[key] = load(reference, device)
        kept: T = _loaded[key]
        return kept


def _row(key: str) -> tuple[Teller, str]:
    name, colon, reference = key.partition(":")
    row = TELLERS.get(name)
    if row is None or bool(colon and reference) != bool(row.pattern):
        known = ", ".join(info.key for info in list_tellers())
        raise ModelUnavailable(f"no model {key!r} that tells of pictures; there are {known}")
    return row, reference


def _known(*, captions: bool) -> str:
    return ", ".join(info.key for info in list_tellers() if (info.captions if captions else info.answers))


def _transformers_captioner(reference: str, device: str | None) -> Captioner:
    from engine.telling.transformers_models import load_captioner

    return load_captioner(reference, device)


def _transformers_answerer(reference: str, device: str | None) -> Answerer:
    from engine.telling.transformers_models import load_answerer

    return load_answerer(reference, device)


def _mini(_reference: str, device: str | None) -> MiniTeller:
    from engine.telling.mini import load_teller

    return load_teller(device or "cpu")


TELLERS: dict[str, Teller] = {
    "mini": Teller(
        "word detectors, a language model of captions and a reader of questions on mini's tokens",
        "research use (see the model card)",
        _mini,
        _mini,
    ),
    "hf": Teller(
        "a model of transformers: BLIP or GIT for captions; ViLT, BLIP, LXMERT or VisualBERT for answers",
        "the model's own",
        _transformers_captioner,
        _transformers_answerer,
        ":NAME_OR_PATH",
    ),
}
