"""The vector store and retriever for LlamaIndex, by its own index and query objects."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core import MockEmbedding, VectorStoreIndex  # noqa: E402
from llama_index.core.schema import (  # noqa: E402
    ImageNode,
    NodeRelationship,
    QueryBundle,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores.types import (  # noqa: E402
    FilterCondition,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from api.adapters.llamaindex import CrosslightRetriever, CrosslightVectorStore, filter_text  # noqa: E402
from engine import BadInput, SearchEngine  # noqa: E402


def note(name: str, text: str, document: str = "doc", **metadata: int) -> TextNode:
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(id_=name, text=text, metadata=metadata, relationships=source)


def test_an_index_of_llama_index_stands_on_it(engine: SearchEngine) -> None:
    store = CrosslightVectorStore(engine, kind="text")
    index = VectorStoreIndex.from_vector_store(store, embed_model=MockEmbedding(1))
    index.insert_nodes([note("1", "red curtains", year=2019), note("2", "blue walls", year=2026)])
    found = index.as_retriever(similarity_top_k=2).retrieve("blue walls")
    assert [one.node.node_id for one in found] == ["2", "1"]
    assert found[0].node == note("2", "blue walls", year=2026)
    newer = MetadataFilters(filters=[MetadataFilter(key="year", value=2020, operator=">=")])  # type: ignore[arg-type]
    assert [n.node.node_id for n in index.as_retriever(filters=newer).retrieve("red")] == ["2"]


def test_nodes_are_read_and_removed(engine: SearchEngine) -> None:
    store = CrosslightVectorStore(engine)
    store.add([note("1", "red", "a"), note("2", "blue", "a"), note("3", "green", "b")])
    assert [node.node_id for node in store.get_nodes(["3", "none"])] == ["3"]
    store.delete("a")
    assert store.get_nodes(["1", "2", "3"]) == [note("3", "green", "b")]
    store.delete_nodes(["3", "none"])
    assert store.get_nodes(["3"]) == []
    store.clear()
    assert len(engine) == 0


def test_pictures_are_nodes_too(engine: SearchEngine, photos: Path) -> None:
    store = CrosslightVectorStore(engine, kind="image")
    path = str(photos / "red.png")
    store.add([ImageNode(id_="mine", text="a card", image_path=path, metadata={"album": "b"})])
    only = MetadataFilters(filters=[MetadataFilter(key="album", value="b")])
    result = store.query(VectorStoreQuery(query_str="red", similarity_top_k=1, filters=only))
    (found,) = result.nodes or ()
    assert isinstance(found, ImageNode)
    assert (found.node_id, found.text, found.image_path) == ("mine", "a card", path)


def test_a_retriever_takes_words_and_pictures(engine: SearchEngine, photos: Path) -> None:
    retriever = CrosslightRetriever(engine, k=1)
    (by_words,) = retriever.retrieve("red")
    (by_picture,) = retriever.retrieve(QueryBundle(query_str="", image_path=str(photos / "blue.png")))
    assert isinstance(by_words.node, ImageNode) and isinstance(by_picture.node, ImageNode)
    assert by_words.node.image_path == str(photos / "red.png")
    assert by_picture.node.image_path == str(photos / "blue.png")


def test_filters_are_written_in_the_filter_language() -> None:
    either = MetadataFilters(
        filters=[
            MetadataFilter(key="a", value='b"c'),
            MetadataFilter(key="id", value=[1, 2], operator="nin"),  # type: ignore[arg-type]
        ],
        condition=FilterCondition.OR,
    )
    assert filter_text(either) == '(`a` = "b\\"c") or (not `_id` in (1, 2))'
    with pytest.raises(BadInput, match="cannot compare 'a' by 'any'"):
        filter_text(MetadataFilters(filters=[MetadataFilter(key="a", value=["b"], operator="any")]))  # type: ignore[arg-type]


def test_what_cannot_be_asked_is_refused(engine: SearchEngine) -> None:
    store = CrosslightVectorStore(engine)
    with pytest.raises(BadInput, match="give query_str"):
        store.query(VectorStoreQuery(query_embedding=[1.0]))
    with pytest.raises(BadInput, match="'sparse' is not possible"):
        store.query(VectorStoreQuery(query_str="red", mode=VectorStoreQueryMode.SPARSE))
