"""What the files of a saved generation are, byte for byte.

The header of a generation has a print of each file (`files.file_print`), which is looked at whenever it is
opened, so it reads blocks alone. Checksums take all of a file, and lie beside it for `verify`.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from engine.files import sync
from engine.generation import Generation

FILE = "checksums.json"


def save(generation: Generation, directory: Path, gallery: str) -> None:
    """Write a generation below `directory`, see `Generation.save`, with the checksums of its files."""
    generation.save(directory, gallery)
    saved = directory / f"{generation.model_id}.{generation.revision}"
    with suppress(FileNotFoundError):  # a migration has dropped it meanwhile
        if not (saved / FILE).exists():
            _keep(saved)


def _keep(saved: Path) -> None:
    kept = {path.name: _checksum(path) for path in sorted(saved.glob("[!.]*"))}
    aside = saved / f".{FILE}"
    aside.write_text(json.dumps(kept, indent=1), "utf-8")
    sync(aside)
    aside.replace(saved / FILE)


def changed_files(saved: Path) -> list[str]:
    """Name the files of a generation that are not as they were written.

    One that was saved without checksums, by a Crosslight of before, cannot tell and names none.
    """
    try:
        kept = json.loads((saved / FILE).read_text("utf-8"))
        found = [name for name, checksum in kept.items() if not _is(saved / name, checksum)]
    except FileNotFoundError:
        return []
    except (ValueError, AttributeError):
        return [FILE]
    return found if saved.exists() else []  # a writer may have dropped it meanwhile


def _is(path: Path, checksum: str) -> bool:
    try:
        return _checksum(path) == checksum
    except OSError:  # it is gone, or lies on a damaged part of the disk
        return False


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
