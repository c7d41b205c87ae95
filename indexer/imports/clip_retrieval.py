"""The folder that `clip-retrieval inference` writes: img_emb/, text_emb/ and metadata/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import BadInput
from engine.readymade import Ready
from engine.types import Floats
from indexer.imports.options import Options, need, picture_ready

NAMES = ("image_path", "url", "key")


def read_clip_retrieval(folder: Path, options: Options) -> Iterator[Ready]:
    """Yield pictures with their captions; part N of the vectors goes with part N of the metadata."""
    need("pyarrow", "pyarrow")
    import pyarrow.parquet

    parts = sorted((folder / "img_emb").glob("img_emb_*.npy"), key=_number)
    if not parts:
        raise BadInput(f"{folder} has no img_emb/img_emb_0.npy; name what `clip-retrieval inference` wrote")
    for part in parts:
        number = _number(part)
        table = folder / "metadata" / f"metadata_{number}.parquet"
        if not table.is_file():
            raise BadInput(f"{table} is missing: without it nobody knows what the vectors of {part} are of")
        vectors = _vectors(part)
        texts = folder / "text_emb" / f"text_emb_{number}.npy"
        captions = _vectors(texts) if texts.is_file() else None
        rows = pyarrow.parquet.read_table(table).to_pylist()
        if len(rows) != len(vectors):
            raise BadInput(f"{part} has {len(vectors)} vectors, {table} has {len(rows)} rows")
        for row, known in enumerate(rows):
            yield _ready(known, vectors[row], None if captions is None else captions[row], options)


def _ready(known: dict[str, Any], vector: Floats, caption: Floats | None, options: Options) -> Ready:
    name = next((str(known[n]) for n in NAMES if known.get(n)), None)
    if name is None:
        raise BadInput(f"the metadata have none of {', '.join(NAMES)}; there is {', '.join(known)}")
    rest = {n: value for n, value in known.items() if n not in (*NAMES, "caption")}
    ready = picture_ready(name, vector, options, known.get("caption") or None, rest)
    return replace(ready, caption=caption if ready.item.text else None)


def _vectors(path: Path) -> Floats:
    vectors: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    if vectors.ndim != 2:
        raise BadInput(f"{path} has the shape {vectors.shape}; vectors are (n, dim)")
    return vectors


def _number(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else 0
