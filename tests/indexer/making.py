"""Pictures and archives that the tests of sources make."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image


def png(color: str, size: int = 8) -> bytes:
    """A picture of one color, as the bytes of a file."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), color).save(buffer, "PNG")
    return buffer.getvalue()


def write_pictures(folder: Path, *names: str) -> Path:
    """Write pictures whose names say their colors: `red.png`, `a/blue.png`."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(path.stem))
    return folder


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    """Write a tar with these members, in this order."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_json(path: Path, document: Any) -> Path:
    """Write a JSON file."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
