"""A gallery as LlamaIndex's vector store, of texts and pictures, and retriever (extra `llamaindex`).

The gallery's own model makes the vectors: what a node brings as its embedding is not used. A node is known
by its id, which is the item's uri.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
from pydantic import PrivateAttr

from api.adapters.common import compared, from_stored, items_by_uri, items_matching, joined, remove, to_stored
from engine import BadInput, Item, Part, Query, SearchEngine
from engine.grammar import parse
from engine.types import Kind

CONTENT = "_node_content"  # where LlamaIndex keeps a node among the metadata


class CrosslightVectorStore(BasePydanticVectorStore):
    """Nodes in a gallery; `kind` is what queries look among, the engine's owner closes it."""

    stores_text: bool = True
    is_embedding_query: bool = False
    kind: Literal["image", "text"] | None = None
    rerank: bool = True
    _engine: SearchEngine = PrivateAttr()

    def __init__(self, engine: SearchEngine, *, kind: Kind | None = None, rerank: bool = True) -> None:
        super().__init__(stores_text=True, is_embedding_query=False, kind=kind, rerank=rerank)  # type: ignore[call-arg]
        self._engine = engine

    @property
    def client(self) -> SearchEngine:
        """The engine."""
        return self._engine

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add nodes, or replace those whose id is there; raises `ValueError` if one cannot be added."""
        report = self._engine.add([_item(node) for node in nodes])
        if report.failed:
            uri, reason = next(iter(report.failed.items()))
            raise ValueError(f"{len(report.failed)} of {len(nodes)} nodes were not added; {uri}: {reason}")
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Remove the nodes that were made of a document."""
        self._remove(compared("ref_doc_id", "=", ref_doc_id))

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any
    ) -> None:
        """Remove nodes by id, by filters, or those of the ids that fit the filters."""
        remove(self._engine, [node.node_id for node in self.get_nodes(node_ids, filters)])

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return nodes by id, by filters, or those of the ids that fit the filters."""
        if node_ids is None and filters is None:
            raise ValueError("name the nodes by their ids or by filters")
        if filters is None:
            return [to_node(item) for item in items_by_uri(self._engine, node_ids or [])]
        found = items_matching(self._engine, filter_text(filters))
        return [to_node(item) for item in found if node_ids is None or item.uri in node_ids]

    def clear(self) -> None:
        """Remove every item of the gallery."""
        self._remove("id > 0")

    def _remove(self, filter: str) -> None:
        remove(self._engine, [item.uri for item in items_matching(self._engine, filter)])

    def query(self, query: VectorStoreQuery, **_: Any) -> VectorStoreQueryResult:
        """Find the nodes that fit words best; a vector alone is refused, as are other modes."""
        if query.mode != VectorStoreQueryMode.DEFAULT:
            raise BadInput(f"the mode {query.mode.value!r} is not possible; there is default")
        if query.query_str is None:
            raise BadInput("a vector alone cannot be asked with; give query_str")
        filters = [] if query.filters is None else [filter_text(query.filters)]
        filters += [compared("ref_doc_id", "in", query.doc_ids)] if query.doc_ids else []
        filters += [compared_uri(query.node_ids)] if query.node_ids else []
        result = self._engine.search(
            Query((Part(text=query.query_str),), self.kind),
            k=query.similarity_top_k,
            filter=joined("and", filters) if filters else None,
            rerank=self.rerank,
        )
        nodes = [to_node(hit.item) for hit in result]
        ids = [node.node_id for node in nodes]
        return VectorStoreQueryResult(nodes=nodes, similarities=[hit.score for hit in result], ids=ids)


class CrosslightRetriever(BaseRetriever):
    """Finds by a query as it is typed, or by a picture (`QueryBundle(image_path=…)`), or by both."""

    def __init__(
        self,
        engine: SearchEngine,
        *,
        k: int = 4,
        kind: Kind | None = None,
        filter: str | None = None,
        rerank: bool = True,
    ) -> None:
        super().__init__()
        self.engine, self.k, self.kind, self.filter, self.rerank = engine, k, kind, filter, rerank

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        typed = parse(query_bundle.query_str) if query_bundle.query_str else Query(())
        pictures = () if not query_bundle.image_path else (Part(picture=Path(query_bundle.image_path)),)
        query = Query((*typed.parts, *pictures), self.kind or typed.kind, typed.phrases)
        result = self.engine.search(query, k=self.k, filter=self.filter, rerank=self.rerank)
        return [NodeWithScore(node=to_node(hit.item), score=hit.score) for hit in result]


def to_node(item: Item) -> BaseNode:
    """Make a node of an item: the one it was made of, or a new one of a text or a picture."""
    metadata = from_stored(item.metadata)
    path = item.picture if isinstance(item.picture, Path) else None
    if CONTENT in metadata:
        node = metadata_dict_to_node(metadata, text=item.text)
        if isinstance(node, ImageNode) and path is not None:
            node.image_path = str(path)
        return node
    if item.kind == "text":
        return TextNode(id_=item.uri, text=item.text or "", metadata=metadata)
    return ImageNode(
        id_=item.uri, text=item.text or "", metadata=metadata, image_path=None if path is None else str(path)
    )


def filter_text(filters: MetadataFilters) -> str:
    """Write LlamaIndex's filters as the filter language has it."""
    parts = [
        filter_text(one)
        if isinstance(one, MetadataFilters)
        else compared(one.key, one.operator.value, one.value)
        for one in filters.filters
    ]
    return joined(filters.condition.value if filters.condition else "and", parts)


def compared_uri(node_ids: Sequence[str]) -> str:
    """Write a filter that names nodes by id, which a gallery calls uri."""
    return compared("uri", "in", node_ids).replace("`_uri`", "uri", 1)


def _item(node: BaseNode) -> Item:
    if isinstance(node, ImageNode):
        picture: bytes | Path
        if node.image:
            picture = base64.b64decode(node.image)
        elif node.image_path:
            picture = Path(node.image_path)
        else:
            raise ValueError(f"the node {node.node_id} has neither image nor image_path")
        bare = node.model_copy(update={"image": None})
        return Item(node.node_id, text=node.text or None, picture=picture, metadata=_known(bare))
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    return Item(node.node_id, "text", text=text, metadata=_known(node))


def _known(node: BaseNode) -> dict[str, Any]:
    return to_stored(node_to_metadata_dict(node, remove_text=True, flat_metadata=True))
