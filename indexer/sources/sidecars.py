"""The files beside a picture: photo.txt (one caption a line) and photo.json (captions and metadata)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from engine.errors import BadInput
from indexer.sources.columns import describe_json
from indexer.sources.found import Described

MAX_SIDECAR_BYTES = 65_536
SUFFIXES = (".txt", ".json")


def sidecars(path: Path, names: Collection[str] | None = None) -> tuple[Path, ...]:
    """Find `photo.txt` or `photo.jpg.txt`, and `photo.json` or `photo.jpg.json`, beside `photo.jpg`."""
    found = []
    for suffix in SUFFIXES:
        for name in (path.stem + suffix, path.name + suffix):
            if name in names if names is not None else path.with_name(name).is_file():
                found.append(path.with_name(name))
                break
    return tuple(found)


def read_sidecars(paths: tuple[Path, ...]) -> Described:
    """Read them; the captions of the text file come before those of the JSON."""
    captions: tuple[str, ...] = ()
    metadata = {}
    for path in paths:
        if path.suffix == ".txt":
            captions = lines_of(_read(path))
        else:
            described = describe_json(_read(path), path.name)
            captions = captions or described.captions
            metadata = dict(described.metadata)
    return Described(captions, metadata)


def lines_of(data: bytes) -> tuple[str, ...]:
    """Take one caption a line, empty lines left out; bytes that are not UTF-8 are read as Windows' Latin."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252", errors="replace")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _read(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_SIDECAR_BYTES:
        raise BadInput(
            f"{path.name} beside the picture has {size:,} bytes; at most {MAX_SIDECAR_BYTES:,} are read; "
            "shorten it, or give it another name if it does not describe the picture"
        )
    return path.read_bytes()
