"""Vectors that another program has made, with what they are of: one reader a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from engine.readymade import Ready
from indexer.imports.chroma import read_chroma
from indexer.imports.clip_retrieval import read_clip_retrieval
from indexer.imports.faiss import read_faiss_index
from indexer.imports.options import Options
from indexer.imports.qdrant import read_qdrant
from indexer.imports.rclip import model_of_rclip, read_rclip


@dataclass(frozen=True, slots=True)
class Program:
    """How what a program keeps is read, and, where it says so, which model made it."""

    read: Callable[[Path, Options], Iterator[Ready]]
    model: Callable[[Path], str | None] = lambda path: None


PROGRAMS: Mapping[str, Program] = {
    "clip-retrieval": Program(read_clip_retrieval),
    "faiss": Program(read_faiss_index),
    "rclip": Program(read_rclip, model_of_rclip),
    "qdrant": Program(read_qdrant),
    "chroma": Program(read_chroma),
}


def program(name: str, source: Path) -> Program:
    """Return a program by its name; `BadInput` for one that is not read, or a source that is not there."""
    if name not in PROGRAMS:
        raise BadInput(f"nothing of {name!r} can be imported; there is {', '.join(PROGRAMS)}")
    if not source.exists():
        raise BadInput(f"there is nothing at {source}")
    return PROGRAMS[name]


__all__ = ["PROGRAMS", "Options", "Program", "Ready", "program"]
