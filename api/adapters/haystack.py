"""A gallery as Haystack's retriever component (extra `haystack`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.dataclasses import ByteStream

from api.adapters.common import compared, from_stored, joined
from engine import EngineError, Item, Part, Query, SearchEngine
from engine.grammar import parse
from engine.types import Kind


@component
class CrosslightRetriever:
    """Finds texts and pictures of a gallery, by a query as it is typed, by a picture, or by both.

    A picture comes as a document whose `blob` are its bytes and whose `content` is its caption. The gallery
    is opened by `warm_up` or at the first run; `close` lets go of it.
    """

    def __init__(
        self,
        gallery: str | Path,
        *,
        top_k: int = 10,
        kind: Kind | None = None,
        filters: dict[str, Any] | None = None,
        rerank: bool = True,
    ) -> None:
        self.gallery, self.top_k, self.kind, self.rerank = str(gallery), top_k, kind, rerank
        self.filters = filters
        self._engine: SearchEngine | None = None

    def warm_up(self) -> None:
        """Open the gallery and load its model."""
        self._opened().load()

    def close(self) -> None:
        """Close the gallery."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def to_dict(self) -> dict[str, Any]:
        """Describe the component, for a pipeline that is saved."""
        told: dict[str, Any] = default_to_dict(
            self,
            gallery=self.gallery,
            top_k=self.top_k,
            kind=self.kind,
            filters=self.filters,
            rerank=self.rerank,
        )
        return told

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CrosslightRetriever:
        """Make the component of its description."""
        made: CrosslightRetriever = default_from_dict(cls, data)
        return made

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str | None = None,
        image: str | Path | ByteStream | None = None,
        top_k: int | None = None,
        filters: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """Find the documents that fit best; raises `BadInput` where neither query nor image is given."""
        typed = Query(()) if query is None else parse(query)
        parts = list(typed.parts)
        if image is not None:
            parts.append(Part(picture=image.data if isinstance(image, ByteStream) else Path(image)))
        wanted = filters or self.filters
        engine = self._opened()
        result = engine.search(
            Query(tuple(parts), self.kind or typed.kind, typed.phrases),
            k=top_k or self.top_k,
            filter=filter_text(wanted) if wanted else None,
            rerank=self.rerank,
        )
        return {"documents": [to_document(hit.item, hit.score, engine) for hit in result]}

    def _opened(self) -> SearchEngine:
        if self._engine is None:
            self._engine = SearchEngine.open(self.gallery, read_only=True)
        return self._engine


def to_document(item: Item, score: float, engine: SearchEngine) -> Document:
    """Make Haystack's document of an item."""
    metadata = {**from_stored(item.metadata), "uri": item.uri, "kind": item.kind}
    blob = None
    if item.kind == "image" and item.id is not None:
        try:
            form = str(item.metadata.get("format", "")).lower()
            blob = ByteStream(engine.open_picture(item.id), mime_type=f"image/{form}")
        except EngineError:  # the file is gone; what is known of it is still an answer
            blob = None
    return Document(id=item.uri, content=item.text, blob=blob, meta=metadata, score=score)


def filter_text(filters: Mapping[str, Any]) -> str:
    """Write Haystack's filters as the filter language has it."""
    if "conditions" in filters:
        return joined(filters["operator"], [filter_text(one) for one in filters["conditions"]])
    return compared(filters["field"].removeprefix("meta."), filters["operator"], filters["value"])
