"""The retriever for Haystack, in a pipeline of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
pytest.importorskip("haystack", reason="haystack-ai is not installed")

from haystack import Pipeline  # noqa: E402
from haystack.dataclasses import ByteStream  # noqa: E402

from api.adapters.haystack import CrosslightRetriever, filter_text  # noqa: E402
from engine import BadInput  # noqa: E402


def test_a_pipeline_finds_pictures_by_words_and_by_a_picture(colors: Path) -> None:
    pipeline = Pipeline()
    retriever = CrosslightRetriever(colors, top_k=2)
    pipeline.add_component("retriever", retriever)
    by_words = pipeline.run({"retriever": {"query": "red"}})["retriever"]["documents"]
    assert by_words[0].meta["uri"].endswith("red.png")
    assert by_words[0].score > by_words[1].score
    assert by_words[0].blob.mime_type == "image/png"
    blue = ByteStream(next(colors.parent.rglob("blue.png")).read_bytes())
    by_picture = pipeline.run({"retriever": {"image": blue, "top_k": 1}})["retriever"]["documents"]
    assert [document.meta["uri"].split("/")[-1] for document in by_picture] == ["blue.png"]
    retriever.close()


def test_a_saved_pipeline_finds_the_same(colors: Path) -> None:
    pipeline = Pipeline()
    filters = {"field": "meta.year", "operator": ">=", "value": 2020}
    pipeline.add_component("retriever", CrosslightRetriever(colors, kind="text", filters=filters))
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["api.adapters.haystack"])
    (found,) = again.run({"retriever": {"query": "purple"}})["retriever"]["documents"]
    assert found.content == "purple curtains"
    again.get_component("retriever").close()


def test_filters_are_written_in_the_filter_language() -> None:
    both = {
        "operator": "AND",
        "conditions": [
            {"field": "meta.year", "operator": "in", "value": [2020, 2021]},
            {
                "operator": "NOT",
                "conditions": [{"field": "meta.draft", "operator": "==", "value": True}],
            },
        ],
    }
    assert filter_text(both) == "(`year` in (2020, 2021)) and (not ((`draft` = true)))"
    with pytest.raises(BadInput, match="compares with text"):
        filter_text({"field": "meta.a", "operator": "==", "value": None})
