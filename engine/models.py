"""The table of models: how each key is described, found, fetched and loaded.

mini                                        the embedded default
mini-de                                     the same, reading German instead of English
open_clip:ViT-B-32/laion2b_s34b_b79k        an open_clip model by its pretrained tag
open_clip:ViT-B-32@/path/to/checkpoint      an open_clip model from a file
st:NAME_OR_PATH                             a sentence-transformers model that reads texts and pictures
open_clip:…+st:NAME_OR_PATH                 a model whose texts a sentence-transformers model reads too
heads:my.gallery/trained/1                  a model under heads that a gallery has trained (`engine/heads.py`)
color                                       a stand-in without weights
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.calibration import Calibration, read_calibration
from engine.devices import default_device
from engine.encoders import Encoder
from engine.encoders.weights import bundled_mini
from engine.errors import ModelUnavailable
from engine.grouping import LOOK_ALIKE
from engine.hybrid import Learnings, read_learnings
from engine.rerank import Reranker
from engine.types import Kind

if TYPE_CHECKING:
    from engine.reencoder import Reencoder

DEFAULT = "mini"
REREAD = "+st:"  # in a key, before the sentence model that reads the texts too


@dataclass(frozen=True, slots=True)
class Model:
    """An encoder; where the model has them, a reranker of its tokens, and what it knows of its answers.

    `languages` are those that its texts may be in, where that is known.
    `reencoder` turns text vectors into those that pictures are asked with, where a gallery has learned one.
    """

    encoder: Encoder
    reranker: Reranker | None = None
    calibration: Calibration | None = None
    learned: Learnings = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    reencoder: Reencoder | None = None
    device: str = "cpu"

    def look_alike(self, kind: Kind) -> float:
        """Return the cosine from which two items of a kind are look-alikes."""
        known = self.calibration if kind == "image" else None
        return known.look_alike if known else LOOK_ALIKE[kind]


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. `load` takes what follows the colon of the key, and a device or `None`.

    `space` is the model whose vectors this one's can be compared with, where that is another.
    """

    description: str
    license: str
    load: Callable[[str, str | None], Model]
    pull: Callable[[str, Callable[[str], None]], Path] | None = None
    is_available: Callable[[], bool] | None = None
    pattern: str = ""  # what follows the family's name in a key
    space: str | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `list_models` tells of a key; `available` is None where only trying would tell."""

    key: str
    description: str
    license: str
    available: bool | None


def list_models() -> list[ModelInfo]:
    """Describe every key, or pattern of keys, that can be loaded."""
    return [
        ModelInfo(
            name + family.pattern,
            family.description,
            family.license,
            family.is_available() if family.is_available else (None if family.pattern else True),
        )
        for name, family in FAMILIES.items()
    ]


def load_model(key: str, device: str | None = None) -> Model:
    """Load a model by its key onto a device (default: a GPU if there is one).

    Raises `ModelUnavailable` for an unknown key, or weights that are not on this machine.
    """
    base, reread, reader = key.partition(REREAD)
    family, reference = _family(base)
    model = family.load(reference, device)
    return _reread(model, reader) if reread else model


def pull_model(key: str, progress: Callable[[str], None]) -> Path:
    """Fetch a model's weights to this machine; `progress` is told each step."""
    family, reference = _family(key.partition(REREAD)[0])
    if family.pull is None:
        raise ModelUnavailable(f"{key} needs no weights; nothing to pull")
    return family.pull(reference, progress)


def check_key(key: str) -> None:
    """Raise `ModelUnavailable` for a key that is not in the table."""
    _family(key.partition(REREAD)[0])


def share_space(one: str, other: str) -> bool:
    """Say whether what one model has made can be searched with the other."""
    return _space(one) == _space(other)


def _space(key: str) -> str:
    family = FAMILIES.get(key)
    return family.space if family and family.space else key


def _family(key: str) -> tuple[Family, str]:
    name, colon, reference = key.partition(":")
    family = FAMILIES.get(name)
    if family is None or bool(colon and reference) != bool(family.pattern):
        known = ", ".join(name + family.pattern for name, family in FAMILIES.items())
        raise ModelUnavailable(f"no model {key!r}; there are {known}")
    return family, reference


def _load_mini(_reference: str, device: str | None) -> Model:
    return _mini(device, None, "English")


def _load_mini_de(_reference: str, device: str | None) -> Model:
    return _mini(device, bundled_mini("mini-de"), "German")


def _mini(device: str | None, words: Path | None, language: str) -> Model:
    from engine.encoders.mini import load_mini

    bundle, device = bundled_mini(), device or default_device()
    learned = read_learnings(bundle / "config.json")
    loaded = load_mini(device, words=words)
    return Model(*loaded, read_calibration(bundle), learned, (language,), device=device)


def _pull_mini(_reference: str, progress: Callable[[str], None]) -> Path:
    return _pulled(None, progress)


def _pull_mini_de(_reference: str, progress: Callable[[str], None]) -> Path:
    return _pulled(bundled_mini("mini-de"), progress)


def _pulled(words: Path | None, progress: Callable[[str], None]) -> Path:
    from engine.encoders.mini import Parts
    from engine.encoders.weights import pull_mini
    from engine.telling.mini import load_teller

    folder = pull_mini(progress=progress)
    Parts("cpu", None, words).make_graphs(progress)
    load_teller().make_graph()
    return folder


def _mini_is_available() -> bool:
    from engine.encoders.weights import mini_is_pulled

    return mini_is_pulled()


def _load_clip(reference: str, device: str | None) -> Model:
    from engine.encoders.clip import ClipEncoder

    device = device or default_device()
    return Model(ClipEncoder(reference, device), device=device)


def _pull_clip(reference: str, progress: Callable[[str], None]) -> Path:
    from engine.encoders.clip import fetch

    return fetch(reference, progress)


def _load_sentence(reference: str, device: str | None) -> Model:
    from engine.encoders.sentence import SentenceEncoder

    device = device or default_device()
    return Model(SentenceEncoder(reference, device), device=device)


def _reread(model: Model, reader: str) -> Model:
    from engine.encoders.reread import RereadEncoder
    from engine.encoders.sentence import SentenceEncoder

    if model.reranker is not None:
        raise ModelUnavailable(
            f"{model.encoder.name} has a reranker that knows its vectors as they are; {REREAD}{reader} can "
            "stand beside a model without one, such as open_clip:NAME/TAG"
        )
    encoder = RereadEncoder(model.encoder, SentenceEncoder(reader, model.device, reads=("text",)))
    return Model(encoder, languages=model.languages, device=model.device)


def _load_heads(reference: str, device: str | None) -> Model:
    from engine.encoders.onnx_graph import by_torch
    from engine.fusion import Judged
    from engine.fusion_reranker import FusionReranker
    from engine.heads import HeadedEncoder
    from engine.learned import load

    folder = Path(reference).absolute()
    if not (folder.name.isdigit() and (folder / "config.json").is_file()):
        raise ModelUnavailable(f"{folder} has no heads; give the folder of a set that crosslight train made")
    learned = load(folder.parent.parent, int(folder.name))
    if learned.heads is None:
        raise ModelUnavailable(
            f"{folder} has no heads, but a {learned.card['stage']}, which its gallery uses"
        )
    base = load_model(learned.card["model"], device)
    if base.encoder.stamp != learned.stamp:
        raise ModelUnavailable(
            f"the heads in {folder} were trained over other weights of {learned.card['model']} "
            f"({learned.stamp}, here are {base.encoder.stamp}); train them again with: crosslight train heads"
        )
    content = (folder / "weights.safetensors").read_bytes()
    stamp = hashlib.sha256(learned.stamp.encode() + content).hexdigest()[:16]
    encoder = HeadedEncoder(base.encoder, learned.heads.to(base.device), stamp)
    reranker = None
    if learned.fusion is not None:
        fusion = learned.fusion
        judge = by_torch(Judged(fusion), base.device)
        reranker = FusionReranker(
            judge, lambda: fusion, learned.blends, encoder.word_spans, stamp, name="trained-heads"
        )
    return Model(encoder, reranker, languages=base.languages, device=base.device)


def _load_color(_reference: str, _device: str | None) -> Model:
    from engine.encoders.color import ColorEncoder

    return Model(ColorEncoder())


FAMILIES = {
    "mini": Family(
        "EfficientNet-Lite and MiniLM under heads and a fusion reranker of our own; runs anywhere",
        "Apache-2.0 towers; heads for research use (see the model card)",
        _load_mini,
        _pull_mini,
        _mini_is_available,
    ),
    "mini-de": Family(
        "mini with German words: reads German, and searches what mini has indexed",
        "as mini (see its model card)",
        _load_mini_de,
        _pull_mini_de,
        _mini_is_available,
        space="mini",
    ),
    "open_clip": Family(
        "any open_clip model, by pretrained tag or from a checkpoint",
        "the model's own",
        _load_clip,
        _pull_clip,
        pattern=":NAME/TAG or :NAME@CHECKPOINT",
    ),
    "st": Family(
        "any sentence-transformers model that reads texts and pictures, by name or path",
        "the model's own",
        _load_sentence,
        pattern=":NAME_OR_PATH",
    ),
    "heads": Family(
        "a model under heads that a gallery has trained on its captions",
        "the model's own",
        _load_heads,
        pattern=":GALLERY/trained/N",
    ),
    "color": Family("a stand-in that sees only color, for tests", "Apache-2.0", _load_color),
}
