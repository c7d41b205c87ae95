"""The vector store and retriever for LangChain: what its standard tests do not ask."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core.documents import Document  # noqa: E402

from api.adapters.langchain import CrosslightEmbeddings, CrosslightVectorStore  # noqa: E402
from engine import SearchEngine  # noqa: E402


def test_pictures_are_documents_too(engine: SearchEngine, photos: Path) -> None:
    store = CrosslightVectorStore(engine, kind="image")
    (name,) = store.add_images([photos / "red.png"], [{"id": 7}], captions=["a card"], ids=["mine"])
    assert name == "mine"
    (found,) = store.similarity_search("red", k=1, filter={"id": 7})
    assert (found.id, found.page_content, found.metadata["id"]) == ("mine", "a card", 7)
    by_picture = store.similarity_search_by_image(photos / "blue.png", k=1)
    assert by_picture[0].id is not None and by_picture[0].id.endswith("blue.png")


def test_relevance_is_between_0_and_1_and_falls(engine: SearchEngine) -> None:
    scored = CrosslightVectorStore(engine, kind="image").similarity_search_with_relevance_scores("red", k=8)
    relevances = [relevance for _, relevance in scored]
    assert relevances == sorted(relevances, reverse=True)
    assert 1 >= relevances[0] > relevances[-1] >= 0


def test_what_cannot_be_added_is_an_error(engine: SearchEngine) -> None:
    store = CrosslightVectorStore(engine)
    with pytest.raises(ValueError, match="1 of 2 were not added"):
        store.add_documents([Document("red"), Document("red", metadata={"tags": ["a"]})])
    with pytest.raises(ValueError, match="name the ids"):
        store.delete()
    with pytest.raises(ValueError, match="give engine"):
        CrosslightVectorStore.from_texts(["red"])


def test_its_embeddings_are_the_gallerys(engine: SearchEngine) -> None:
    made = CrosslightEmbeddings(engine)
    assert made.embed_query("red") == made.embed_documents(["blue", "red"])[1]
    assert len(made.embed_query("red")) == 32
