"""The direction of imports: api and indexer stand on engine, and engine on neither."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
HEAVY = {"faiss", "torch", "sqlalchemy", "open_clip", "transformers", "timm"}
SLOW = HEAVY - {"sqlalchemy"}  # a tenth of a second; the others take seconds to import
FORBIDDEN = {
    "engine": {"api", "indexer", "training", "bench", "fastapi", "pydantic", "typer", "rich"},
    "indexer": {"api", "training", "bench", "fastapi", "typer", "rich"} | HEAVY,
    "api": {"bench"} | HEAVY,
    "api/http": {"indexer", "training", "typer", "rich"},
    "training": {"api", "bench"},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_toward_the_engine(package: str) -> None:
    files = list((TOP / package).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(TOP)} imports {name}"
        for path in files
        for name in imports(path)
        if name in FORBIDDEN[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["engine", "indexer", "api.cli", "api.http"])
def test_importing_costs_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(sorted({SLOW!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    import engine

    assert all(getattr(engine, name) is not None for name in engine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = engine.nothing
