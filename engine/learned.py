"""What a gallery has learned from its own captions, and every reader of it uses: a reranker, a reencoder.

Heads lie here too; a gallery comes to them by migration to a model of their own (`engine/heads.py`).

    trained/current              the number of the set in use; without it the model's own parts are used
    trained/N/config.json        shape, blends, stamp of the encoder, and the card: figures and origin
    trained/N/weights.safetensors, README.md

A set is written aside, synced and renamed; `current` is replaced last, so a reader has one whole set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ModelUnavailable
from engine.files import disk_errors, write_whole
from engine.models import Model

if TYPE_CHECKING:
    from engine.fusion import FusionModel
    from engine.fusion_reranker import Blend
    from engine.heads import Heads
    from engine.reencoder import Reencoder

FOLDER = "trained"
RERANKER, REENCODER, HEADS = "reranker.", "reencoder.", "heads."


@dataclass(frozen=True, slots=True)
class Learned:
    """One set: a fusion model with its blends by direction, and a reencoder, or heads, or neither."""

    stamp: str  # of the encoder whose vectors and tokens these read
    fusion: FusionModel | None
    blends: Mapping[tuple[str, str], Blend]
    reencoder: Reencoder | None
    card: Mapping[str, Any]
    heads: Heads | None = None


class Learning:
    """Gives a gallery's model the parts that the gallery has learned, as soon as they are there."""

    def __init__(self, gallery: Path) -> None:
        self._gallery = gallery
        self._current = gallery / FOLDER / "current"
        self._applied: tuple[Model, object, Model] | None = None

    def applied(self, model: Model) -> Model:
        """Return the model with the gallery's own parts; every search looks whether there are others."""
        version = self._version()
        if self._applied is None or self._applied[:2] != (model, version):
            number = current(self._gallery)
            self._applied = (model, version, model if number is None else self._with(model, number))
        return self._applied[2]

    def _version(self) -> object:
        """Return what is not the same when another set is in use; reading takes several times as long."""
        try:
            found = os.stat(self._current)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _with(self, model: Model, number: int) -> Model:
        from engine.encoders.onnx_graph import by_torch
        from engine.fusion import Judged
        from engine.fusion_reranker import FusionReranker

        learned = load(self._gallery, number)
        if learned.stamp != model.encoder.stamp:
            return model  # it reads the vectors of other weights; `described` says so
        reranker = model.reranker
        if learned.fusion is not None:
            name = f"trained-{number}"
            spans, stamp = model.encoder.word_spans, f"{learned.stamp}/{number}"
            fusion = learned.fusion
            judge = by_torch(Judged(fusion), model.device)
            reranker = FusionReranker(judge, lambda: fusion, learned.blends, spans, stamp, name=name)
        if learned.reencoder is None:
            return replace(model, reranker=reranker)
        # What the model knows of its answers it learned from the cosines of its own text vectors.
        reencoder = learned.reencoder.to(model.device)
        return replace(model, reranker=reranker, reencoder=reencoder, calibration=None)


def current(gallery: Path) -> int | None:
    """Return the number of the set that a gallery uses."""
    try:
        return int((gallery / FOLDER / "current").read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _damaged(gallery, "current") from error


def described(gallery: Path, stamp: str | None) -> dict[str, Any] | None:
    """Return the card of the set in use, or `None` where the model's own parts are used."""
    number = current(gallery)
    if number is None:
        return None
    config = _config(gallery, number)
    return {"set": number, "in_use": config["stamp"] == stamp, **config["card"]}


def load(gallery: Path, number: int) -> Learned:
    """Read one set; raises `ModelUnavailable` when it is damaged."""
    from safetensors.torch import load_file

    from engine.fusion import FusionModel, Shape
    from engine.fusion_reranker import Blend, direction
    from engine.heads import Heads
    from engine.reencoder import Reencoder

    config = _config(gallery, number)
    try:
        tensors = load_file(gallery / FOLDER / str(number) / "weights.safetensors")
        fusion = FusionModel(Shape(**config["fusion"])) if config["fusion"] else None
        reencoder = Reencoder(**config["reencoder"]) if config["reencoder"] else None
        heads = Heads(**config["heads"]) if config.get("heads") else None
        for module, prefix in ((fusion, RERANKER), (reencoder, REENCODER), (heads, HEADS)):
            if module is not None:
                names = [name for name in tensors if name.startswith(prefix)]
                module.load_state_dict({name.removeprefix(prefix): tensors[name] for name in names})
                module.eval()
        blends = {direction(name): Blend(**values) for name, values in config["blends"].items()}
    # Readers of weights raise many types; all mean that these cannot be had.
    except Exception as error:
        raise _damaged(gallery, str(number)) from error
    return Learned(config["stamp"], fusion, blends, reencoder, config["card"], heads)


def keep(gallery: Path, learned: Learned, readme: str) -> int:
    """Write a set and let the gallery use it, unless it is one of heads; returns its number.

    The caller is the gallery's writer.
    """
    from safetensors.torch import save

    folder = gallery / FOLDER
    with disk_errors(gallery):
        folder.mkdir(exist_ok=True)
        number = 1 + max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0)
        tensors, config = _parts(learned)
        aside = folder / f".{number}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        write_whole(aside / "weights.safetensors", save(tensors))
        write_whole(aside / "config.json", json.dumps(config, indent=1).encode())
        write_whole(aside / "README.md", readme.encode())
        aside.rename(folder / str(number))
        if learned.heads is None:
            write_whole(folder / "current", str(number).encode())
    return number


def drop(gallery: Path) -> bool:
    """Go back to the model's own parts; tells whether there was anything to drop.

    The sets stay where they are: a reader may be loading one.
    """
    with disk_errors(gallery):
        used = current(gallery) is not None
        (gallery / FOLDER / "current").unlink(missing_ok=True)
    return used


def _parts(learned: Learned) -> tuple[dict[str, Any], dict[str, Any]]:
    tensors: dict[str, Any] = {}
    modules = ((learned.fusion, RERANKER), (learned.reencoder, REENCODER), (learned.heads, HEADS))
    for module, prefix in modules:
        if module is not None:
            tensors |= {prefix + name: t.cpu().contiguous() for name, t in module.state_dict().items()}
    config = {
        "stamp": learned.stamp,
        "fusion": asdict(learned.fusion.shape) if learned.fusion else None,
        "reencoder": learned.reencoder.shape if learned.reencoder else None,
        "heads": learned.heads.shape if learned.heads else None,
        "blends": {"-to-".join(direction): asdict(blend) for direction, blend in learned.blends.items()},
        "card": dict(learned.card),
    }
    return tensors, config


def _config(gallery: Path, number: int) -> dict[str, Any]:
    try:
        text = (gallery / FOLDER / str(number) / "config.json").read_text("utf-8")
        config: dict[str, Any] = json.loads(text)
    except (OSError, ValueError) as error:
        raise _damaged(gallery, str(number)) from error
    return config


def _damaged(gallery: Path, name: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"what {gallery} has learned cannot be read ({FOLDER}/{name}); restore it, or go back to the model's "
        f"own parts with: crosslight train drop --gallery {gallery}"
    )
