"""Generations on disk: which there are of a model, and what is wrong with one that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.files import file_print
from engine.store.rows import State

SCHEMA = 5
READABLE = (4, SCHEMA)  # the fourth has no tombstones and no cells


@dataclass(frozen=True, slots=True)
class Saved:
    """A generation's directory, with its header or what is wrong with it."""

    path: Path
    header: dict[str, Any] | None
    wrong: str = ""


def saved(directory: Path, state: State) -> Iterator[Saved]:
    """Yield the generations of a gallery's model, the newest first."""
    found = [path for path in directory.glob("*.*") if model_of(path) == state.model_id]
    for path in sorted(found, key=_revision_of, reverse=True):
        yield read(path, state.gallery, state.revision)


def read(path: Path, gallery: str, revision: int) -> Saved:
    """Read a generation's header, and hold it against its files, its gallery's name and revision."""
    try:
        header: dict[str, Any] = json.loads((path / "header.json").read_text("utf-8"))
        wrong = _wrong(path, header, gallery, revision)
    except OSError as error:
        return Saved(path, None, f"cut: {Path(error.filename).name} cannot be read ({error.strerror})")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Saved(path, None, f"cut: its header.json says too little ({error!r})")
    return Saved(path, None if wrong else header, wrong)


def _wrong(path: Path, header: dict[str, Any], gallery: str, revision: int) -> str:
    """Say what is wrong with a generation: `""` for nothing, else the value and what is expected."""
    schema, model = header["schema"], model_of(path)
    if schema not in READABLE:
        known = f"this Crosslight reads {READABLE[0]} to {READABLE[-1]}"
        return f"of another Crosslight: its schema is {schema}, {known}"
    if header["gallery"] != gallery:
        return f"foreign: it is of the gallery {header['gallery']}, this one is {gallery}"
    if header["model"] != model:
        return f"foreign: it is of the model {header['model']}, its place is that of {model}"
    if header["revision"] > revision:
        return f"from the future: its revision is {header['revision']}, the gallery's is {revision}"
    for name, expected in header["files"].items():
        here = file_print(path / name)
        size, due = here.partition(":")[0], expected.partition(":")[0]
        if size != due:
            return f"cut: {name} has {size} bytes, its header says {due}"
        if here != expected:
            return f"changed: {name} is another file than its header says ({here}, not {expected})"
    return ""


def drop(path: Path) -> None:
    """Remove a generation so that a kill in the middle leaves nothing that looks like one."""
    if not path.name.startswith("."):
        path = path.rename(path.with_name(f".{path.name}.{os.getpid()}"))
    shutil.rmtree(path, ignore_errors=True)


def model_of(path: Path) -> int | None:
    """Return the model that a generation's directory is named by; `None` for what is no generation."""
    model, _, revision = path.name.partition(".")
    return int(model) if model.isdecimal() and revision.isdecimal() else None


def _revision_of(path: Path) -> int:
    return int(path.name.partition(".")[2])
