"""A bare FAISS index, and a file that says what each vector is of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadInput
from engine.readymade import Ready, read_faiss
from indexer.imports.options import Options, picture_ready


def read_faiss_index(path: Path, options: Options) -> Iterator[Ready]:
    """Yield pictures: line n of the file of ids names vector n."""
    if options.ids is None:
        raise BadInput("a FAISS index has numbers only; name a file of paths or uris, one a line, with --ids")
    names = options.ids.read_text("utf-8").splitlines()
    place = 0
    for vectors in read_faiss(path):
        for vector in vectors:
            if place < len(names):
                yield picture_ready(names[place], vector, options)
            place += 1
    if place != len(names):
        raise BadInput(f"{path} has {place} vectors, {options.ids} has {len(names)} lines")
