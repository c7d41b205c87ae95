"""A gallery as LangChain's vector store and retriever (extra `langchain`).

The gallery's own model makes the vectors, so no embedding is given. A document is known by its id, which is
the item's uri. Pictures are documents too: the page content is the caption, the metadata are the picture's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from api.adapters.common import equal, from_stored, items_by_uri, relevance, remove, to_stored
from engine import Hit, Item, Part, Query, SearchEngine
from engine.grammar import parse
from engine.judging import encode
from engine.types import Kind

Filter = str | Mapping[str, Any] | None


class CrosslightVectorStore(VectorStore):
    """Texts and pictures of a gallery; `kind` is what searches look among, its owner closes the engine."""

    def __init__(self, engine: SearchEngine, *, kind: Kind = "text", rerank: bool = True) -> None:
        self.engine, self.kind, self.rerank = engine, kind, rerank

    @property
    def embeddings(self) -> Embeddings:
        """The gallery's model, as LangChain calls one."""
        return CrosslightEmbeddings(self.engine)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_: Any,
    ) -> list[str]:
        """Add texts, or replace those whose id is there; raises `ValueError` if one cannot be added."""
        contents = list(texts)
        names = _names(ids, len(contents))
        items = [
            Item(name, "text", text=text, metadata=to_stored(known))
            for name, text, known in zip(names, contents, metadatas or [{}] * len(contents), strict=True)
        ]
        return self._add(items, names)

    def add_images(
        self,
        uris: Sequence[str | Path],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        captions: Sequence[str | None] | None = None,
        ids: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Add picture files, or replace those whose id is there."""
        names = _names(ids, len(uris))
        known = metadatas or [{}] * len(uris)
        said = captions or [None] * len(uris)
        items = [
            Item(name, text=text, picture=Path(uri), metadata=to_stored(own))
            for name, uri, text, own in zip(names, uris, said, known, strict=True)
        ]
        return self._add(items, names)

    def _add(self, items: Sequence[Item], names: list[str]) -> list[str]:
        report = self.engine.add(items)
        if report.failed:
            uri, reason = next(iter(report.failed.items()))
            raise ValueError(f"{len(report.failed)} of {len(items)} were not added; {uri}: {reason}")
        return names

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        """Remove documents by id; one that is not there is passed over."""
        if ids is None:
            raise ValueError("name the ids to delete; a gallery is not emptied by leaving them out")
        remove(self.engine, ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents of those ids that are there."""
        return [to_document(item) for item in items_by_uri(self.engine, ids)]

    def similarity_search(self, query: str, k: int = 4, filter: Filter = None, **_: Any) -> list[Document]:
        """Return the documents that fit words best."""
        return [to_document(hit.item) for hit in self._hits(Part(text=query), k, filter)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter = None, **_: Any
    ) -> list[tuple[Document, float]]:
        """Return documents with scores, higher is better."""
        return [(to_document(hit.item), hit.score) for hit in self._hits(Part(text=query), k, filter)]

    def similarity_search_by_image(
        self, image: str | Path | bytes, k: int = 4, filter: Filter = None
    ) -> list[Document]:
        """Return the documents that fit a picture best."""
        picture = image if isinstance(image, bytes) else Path(image)
        return [to_document(hit.item) for hit in self._hits(Part(picture=picture), k, filter)]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, filter: Filter = None, **_: Any
    ) -> list[tuple[Document, float]]:
        return [(to_document(hit.item), relevance(hit)) for hit in self._hits(Part(text=query), k, filter)]

    def _hits(self, part: Part, k: int, filter: Filter) -> Sequence[Hit]:
        result = self.engine.search(
            Query((part,), self.kind), k=k, filter=filter_text(filter), rerank=self.rerank
        )
        return result.hits or result.misses

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        engine: SearchEngine | None = None,
        **_: Any,
    ) -> CrosslightVectorStore:
        """Add texts to the gallery of `engine`; its own model is the embedding."""
        if engine is None:
            raise ValueError("give engine=SearchEngine.open(...): texts are kept in a gallery")
        store = cls(engine)
        store.add_texts(texts, metadatas, ids=ids)
        return store


class CrosslightEmbeddings(Embeddings):
    """The gallery's model, for what in LangChain wants embeddings."""

    def __init__(self, engine: SearchEngine) -> None:
        self.engine = engine

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        parts = [Part(text=text) for text in texts]
        vectors: list[list[float]] = encode(parts, self.engine.serving()).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class CrosslightRetriever(BaseRetriever):
    """Finds by a query as it is typed, with all that `SearchEngine.search` can do for it."""

    engine: Any
    k: int = 4
    kind: Literal["image", "text"] | None = None
    filter: str | None = None
    rerank: bool = True

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        typed = parse(query)
        asked = Query(typed.parts, self.kind or typed.kind, typed.phrases)
        result = self.engine.search(asked, k=k or self.k, filter=self.filter, rerank=self.rerank)
        return [to_document(hit.item) for hit in result.hits]


def to_document(item: Item) -> Document:
    """Make LangChain's document of an item."""
    return Document(id=item.uri, page_content=item.text or "", metadata=from_stored(item.metadata))


def filter_text(wanted: Filter) -> str | None:
    """Take a filter as text, or a mapping of names and values that must be equal."""
    return wanted if wanted is None or isinstance(wanted, str) else equal(wanted)


def _names(ids: Sequence[str | None] | None, count: int) -> list[str]:
    return [one or str(uuid.uuid4()) for one in (ids or [None] * count)]
