"""Saved models that transformers reads: the class of one, whether it fits a task, its weights and processor.

A reference is the path of a folder that `save_pretrained` wrote, or a name on a model hub. Nothing of a
folder is run: no code of its own, and no pickle but the plain tensors that torch's `weights_only` reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Any

from engine.errors import ModelUnavailable

MISSING_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in evaluation mode on its device, with what prepares its input, and its class's name."""

    architecture: str
    model: Any
    processor: Any
    device: str


def local_folder(reference: str) -> Path | None:
    """Return the folder that a reference names; `None` for a name on a hub.

    Raises `ModelUnavailable` for a path that leads nowhere, or to no saved model.
    """
    path = Path(reference).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelUnavailable(
                f"{reference} holds no config.json; save a model there with save_pretrained"
            )
        return path
    if path.exists():
        raise ModelUnavailable(f"{reference} is a file; give the folder that save_pretrained wrote")
    if path.is_absolute() or reference.startswith((".", "~")) or reference.count("/") > 1:
        raise ModelUnavailable(f"there is no model at {reference}")
    return None


def architecture(reference: str) -> str:
    """Return the class that a model was saved as, from its configuration alone."""
    folder = local_folder(reference)
    if folder is None:
        config = _hub_config(reference)
    else:
        try:
            config = json.loads((folder / "config.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelUnavailable(f"{reference}/config.json cannot be read: {error}") from error
    names = config.get("architectures") if isinstance(config, dict) else None
    if not names or not isinstance(names[0], str):
        raise ModelUnavailable(
            f"{reference} does not say which class it is: its config.json has no architectures"
        )
    return str(names[0])


def fitting(reference: str, task: str, classes: Collection[str]) -> str:
    """Return a model's class where it is one of `classes`, else say what fits the task."""
    found = architecture(reference)
    if found not in classes:
        raise ModelUnavailable(
            f"{reference} is a {found}, which is not for {task}; these are: {', '.join(sorted(classes))}"
        )
    return found


def load(reference: str, name: str, device: str, *, texts_only: bool = False) -> Loaded:
    """Load a model of the class `name`, and its processor; of one that reads `texts_only`, its tokenizer.

    Raises `ModelUnavailable` for weights that are damaged or of another class, and for a missing processor.
    """
    import transformers

    local = local_folder(reference) is not None
    with quiet():
        try:
            loader = transformers.AutoTokenizer if texts_only else transformers.AutoProcessor
            processor: Any = loader.from_pretrained(reference, local_files_only=local)
        # Readers of configurations raise many types; all mean that this processor cannot be had.
        except Exception as error:
            part = "tokenizer" if texts_only else "processor"
            raise ModelUnavailable(
                f"{reference} has no {part} that can be read: {reason(error)}; save it beside the model"
            ) from error
        try:
            model, report = getattr(transformers, name).from_pretrained(
                reference, local_files_only=local, output_loading_info=True
            )
        except Exception as error:
            raise ModelUnavailable(f"the weights of {reference} cannot be read: {reason(error)}") from error
    _check_processor(reference, processor, texts_only)
    lacking = sorted(report["missing_keys"])
    if lacking:
        shown = ", ".join(lacking[:MISSING_SHOWN])
        raise ModelUnavailable(
            f"the weights of {reference} lack {len(lacking)} of those that a {name} has, such as {shown}; "
            "they are of another class or cut"
        )
    return Loaded(name, model.to(device).eval(), processor, device)


def _check_processor(reference: str, processor: Any, texts_only: bool) -> None:
    """Refuse what transformers makes of missing files: a processor of one part, a tokenizer of no words."""
    tokenizer: Any = processor if texts_only else getattr(processor, "tokenizer", None)
    if not texts_only and (tokenizer is None or getattr(processor, "image_processor", None) is None):
        raise ModelUnavailable(
            f"{reference} has no processor of texts and pictures; save it beside the model"
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise ModelUnavailable(f"{reference} has no tokenizer with words; save it beside the model")


def stamp(model: Any, *recipe: str) -> str:
    """Hash the weights of a torch module, and what else its vectors depend on."""
    import torch

    digest = hashlib.blake2b("".join(recipe).encode(), digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and from logging what `Loaded` checks itself."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # its functions have no types

    hub = getLogger("huggingface_hub")
    level, bars, hub_level = logging.get_verbosity(), logging.is_progress_bar_enabled(), hub.level
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub.setLevel("ERROR")  # else it tells of each of its tries
    try:
        yield
    finally:
        logging.set_verbosity(level)
        hub.setLevel(hub_level)
        if bars:
            logging.enable_progress_bar()


def _hub_config(reference: str) -> dict[str, Any]:
    import transformers

    try:
        with quiet():
            config: dict[str, Any] = transformers.AutoConfig.from_pretrained(reference).to_dict()
    except Exception as error:
        raise ModelUnavailable(
            f"cannot get {reference!r} from a model hub: {reason(error)}; where none can be reached, give "
            "the path of a folder that save_pretrained wrote"
        ) from error
    return config
