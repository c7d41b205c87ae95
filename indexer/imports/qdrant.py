"""A collection of Qdrant's embedded mode, read by its own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.readymade import Ready
from indexer.imports.options import Options, need, one_of, record_ready

PAGE = 256


def read_qdrant(path: Path, options: Options) -> Iterator[Ready]:
    """Yield what a collection of the folder holds: pictures where the payload names one, else texts."""
    need("qdrant_client", "qdrant-client")
    from qdrant_client import QdrantClient

    client = QdrantClient(path=str(path))
    try:
        names = [one.name for one in client.get_collections().collections]
        collection = one_of(names, options.collection, path)
        offset = None
        while True:
            points, offset = client.scroll(
                collection, limit=PAGE, offset=offset, with_payload=True, with_vectors=True
            )
            for point in points:
                if not isinstance(point.vector, list):
                    raise BadInput(f"{collection} has several vectors a point, or none; one is needed")
                vector = np.array(point.vector, dtype=np.float32)
                yield record_ready(str(point.id), vector, point.payload or {}, None, options)
            if offset is None:
                return
    finally:
        client.close()
