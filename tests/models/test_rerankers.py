"""Rerankers by name or path: they say what transformers says, and it is added to what recall found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from engine import Budget, ModelUnavailable, SearchEngine
from engine.rerankers import load_reranker

Saved = Callable[[str], Path]
QUERY = "a red picture"


def search(gallery: Path, reranker: str | None, **options: object) -> dict[str, float]:
    with SearchEngine.open(gallery, reranker=reranker, read_only=True) as engine:
        result = engine.search(QUERY, k=8, explain=True, **options)  # type: ignore[arg-type]
    for hit in result:
        assert hit.explanation is not None
        assert sum(hit.explanation.contributions.values()) == pytest.approx(hit.score)
    return {hit.item.uri.rpartition("/")[2]: hit.score for hit in result}


def by_hand(folder: Path, photos: Path) -> dict[str, float]:
    """The log-odds of a match, by transformers alone, one picture at a time."""
    name = json.loads((folder / "config.json").read_text("utf-8"))["architectures"][0]
    model = getattr(transformers, name).from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    odds = {}
    for path in sorted(photos.iterdir()):
        inputs = processor(images=Image.open(path), text=QUERY, return_tensors="pt")
        with torch.inference_mode():
            out = model(**inputs)
        score = out.itm_score[0, 1] - out.itm_score[0, 0] if "itm_score" in out else out.logits[0, 0]
        odds[path.name] = float(score)
    return odds


@pytest.mark.parametrize("name", ["blip-matching", "vilt-matching"])
def test_the_order_is_recall_plus_what_transformers_says(
    engine: SearchEngine, gallery: Path, photos: Path, saved: Saved, name: str
) -> None:
    recalled, said = search(gallery, None), by_hand(saved(name), photos)

    reranked = search(gallery, f"hf:{saved(name)}")

    assert list(reranked) != list(recalled)
    assert reranked == pytest.approx({uri: recalled[uri] + said[uri] for uri in recalled}, abs=1e-4)
    assert list(reranked.values()) == sorted(reranked.values(), reverse=True)
    assert search(gallery, f"hf:{saved(name)}", rerank=False) == recalled


def test_a_picture_that_is_gone_keeps_its_place(
    engine: SearchEngine, gallery: Path, photos: Path, saved: Saved
) -> None:
    recalled = list(search(gallery, None))
    gone = [recalled[0], recalled[3]]
    for name in gone:
        (photos / name).unlink()

    with SearchEngine.open(gallery, reranker=f"hf:{saved('vilt-matching')}") as again:
        result = again.search(QUERY, k=8, explain=True)

    names = [hit.item.uri.rpartition("/")[2] for hit in result]
    assert (names[0], names[3], result.reranked) == (*gone, True)
    assert set(names) == set(recalled)
    scores = [hit.score for hit in result]
    assert scores == pytest.approx(sorted(scores, reverse=True))
    assert any("2 pictures could not be read again, such as that of item" in note for note in result.notes)
    for path in photos.iterdir():
        path.unlink()
    assert list(search(gallery, f"hf:{saved('vilt-matching')}")) == recalled


def test_what_lies_below_the_budget_follows(engine: SearchEngine, gallery: Path, saved: Saved) -> None:
    first = list(search(gallery, None))[:3]

    reranked = search(gallery, f"hf:{saved('blip-matching')}", rerank=Budget(candidates=3))

    assert set(list(reranked)[:3]) == set(first)
    assert len(reranked) == 8


def test_captions_are_not_lost(gallery: Path, photos: Path, saved: Saved) -> None:
    from engine import Item

    with SearchEngine.open(gallery, model="color", reranker=f"hf:{saved('blip-matching')}") as engine:
        engine.add(Item(path.as_uri(), text=f"{path.stem} paint") for path in photos.iterdir())
        hit = engine.search("paint", k=1, explain=True)[0]

    assert hit.explanation is not None
    assert {"match", "lexical", "caption"} <= hit.explanation.contributions.keys()


def test_keys_that_cannot_be_had(tmp_path: Path, saved: Saved) -> None:
    torn = shutil.copytree(saved("blip-matching"), tmp_path / "torn")
    (torn / "model.safetensors").write_bytes(b"\0" * 100)
    cut = shutil.copytree(saved("blip-matching"), tmp_path / "cut")
    other = shutil.copytree(saved("vilt-matching"), tmp_path / "other")
    shutil.copy(other / "model.safetensors", cut / "model.safetensors")
    bare = shutil.copytree(saved("vilt-matching"), tmp_path / "bare")
    for path in bare.glob("*token*"):
        path.unlink()
    (bare / "processor_config.json").unlink()
    wordless = shutil.copytree(saved("vilt-matching"), tmp_path / "wordless")
    for path in wordless.glob("*token*"):
        path.unlink()
    config = json.loads((other / "config.json").read_text("utf-8"))
    (other / "config.json").write_text(json.dumps({**config, "architectures": ["ViltForMaskedLM"]}), "utf-8")
    (tmp_path / "empty").mkdir()
    for key, message in (
        ("blip", r"no reranker 'blip'; there are hf:NAME_OR_PATH, st:NAME_OR_PATH"),
        (f"hf:{tmp_path}/nowhere", "there is no model at .*nowhere$"),
        (f"hf:{tmp_path}/empty", "holds no config.json"),
        (f"hf:{other}", "is a ViltForMaskedLM, which is not for matching .*; these are: BlipForImageText"),
        (f"hf:{torn}", "the weights of .*torn cannot be read: "),
        (f"hf:{cut}", "the weights of .*cut lack .* of those that a BlipForImageTextRetrieval has"),
        (f"hf:{bare}", "has no processor that can be read"),
        (f"hf:{wordless}", "has no tokenizer with words; save it beside"),
    ):
        with pytest.raises(ModelUnavailable, match=message) as caught:
            load_reranker(key, "cpu")
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelUnavailable, match="there is no model at"):
        SearchEngine.open(tmp_path / "new.gallery", model="color", reranker=f"hf:{tmp_path}/nowhere")
    assert not (tmp_path / "new.gallery").exists()


def test_a_long_query_is_cut_to_what_the_model_reads(saved: Saved) -> None:

    from engine.rerankers.matching import load_matcher

    reranker = load_matcher(str(saved("vilt-matching")), "cpu")
    image = Image.new("RGB", (40, 30), "red")

    odds = reranker.match("red " * 500, [image, image])

    assert np.isfinite(odds).all() and odds[0] == pytest.approx(odds[1], abs=1e-4)
