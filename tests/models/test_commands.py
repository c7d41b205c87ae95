"""The settings of the command line that name models: --regions, --reranker, and sources that `eval` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.app import app

Saved = Callable[[str], Path]


def run(*words: object, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_regions_and_a_reranker(photos: Path, gallery: Path, saved: Saved, tmp_path: Path) -> None:
    for path in sorted(photos.iterdir())[3:]:
        path.unlink()
    indexed = ("index", photos, "--gallery", gallery, "--model", "color")
    assert run(*indexed)["added"] == 3
    assert run(*indexed, "--regions", saved("detector"))["updated"] == 3
    asked = ("search", "a dog", "--gallery", gallery, "--explain")

    hits = run(*asked, "--reranker", f"hf:{saved('vilt-matching')}")["hits"]

    assert {"match", "objects"} <= set(hits[0]["explanation"]["contributions"])
    refused = run(*asked, "--reranker", f"hf:{tmp_path}/nowhere", code=1)["error"]
    assert refused == {"kind": "ModelUnavailable", "message": f"there is no model at {tmp_path}/nowhere"}
    refused = run(*indexed, "--regions", photos / "blue.png", code=1)["error"]
    assert refused["message"].startswith(f"the checkpoint {photos}/blue.png cannot be read: ")


def test_eval_reads_annotations(photos: Path, tmp_path: Path, saved: Saved) -> None:
    rows = [{"id": n, "file_name": path.name} for n, path in enumerate(sorted(photos.iterdir()))]
    captions = [{"image_id": row["id"], "caption": Path(row["file_name"]).stem} for row in rows]
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"images": rows, "annotations": captions}), "utf-8")

    measured = run(
        *("eval", f"coco:{path}", "--images", photos, "--model", "color"),
        *("--reranker", f"hf:{saved('blip-matching')}"),
    )

    assert measured["items"] == {"pictures": 8, "captions": 8}
    assert measured["recall"]["text_to_image"]["R@1"] == pytest.approx(100)
    assert measured["reranked"]["text_to_image"]["R@1"] < 100
    assert measured["reranked"]["image_to_text"] == measured["recall"]["image_to_text"]
