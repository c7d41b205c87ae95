"""A collection of a Chroma persist directory, read by its own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.readymade import Ready
from indexer.imports.options import Options, need, one_of, record_ready

PAGE = 256


def read_chroma(path: Path, options: Options) -> Iterator[Ready]:
    """Yield what a collection of the folder holds: pictures where its metadata name one, else texts."""
    need("chromadb", "chromadb")
    import chromadb

    settings = chromadb.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(path), settings=settings)
    names = [one.name for one in client.list_collections()]
    collection = client.get_collection(one_of(names, options.collection, path), embedding_function=None)
    wanted = ["embeddings", "metadatas", "documents", "uris"]
    for start in range(0, collection.count(), PAGE):
        page = collection.get(include=wanted, limit=PAGE, offset=start)
        for row, key in enumerate(page["ids"]):
            uri = page["uris"][row] if page["uris"] else None
            payload = {**(page["metadatas"][row] or {}), **({"uri": uri} if uri else {})}
            vector = np.array(page["embeddings"][row], dtype=np.float32)
            yield record_ready(key, vector, payload, page["documents"][row], options)
