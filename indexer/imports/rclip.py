"""The SQLite file of rclip: its pictures' paths and vectors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.readymade import Ready
from indexer.imports.options import Options, picture_ready

NEWEST = 3  # the version of its file from which on the second of these has made the vectors
MODELS = ("open_clip:ViT-B-32-quickgelu/openai", "open_clip:ViT-B-32-256/datacomp_s34b_b86k")


def read_rclip(path: Path, options: Options) -> Iterator[Ready]:
    """Yield the pictures that rclip has not marked as deleted."""
    with closing(_open(path)) as database:
        try:
            rows = database.execute("SELECT filepath, vector FROM images WHERE deleted IS NULL ORDER BY id")
        except sqlite3.DatabaseError as error:
            raise BadInput(f"{path} is not a file of rclip: {error}") from None
        for name, vector in rows:
            yield picture_ready(name, np.frombuffer(vector, dtype="<f4"), options)


def model_of_rclip(path: Path) -> str | None:
    """Name the model of the version of rclip that wrote the file."""
    with closing(_open(path)) as database:
        try:
            row = database.execute("SELECT version FROM db_version").fetchone()
        except sqlite3.DatabaseError:
            return None
    return MODELS[row is not None and row[0] >= NEWEST]


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
