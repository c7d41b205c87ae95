"""The indexer: brings pictures from sources into a gallery. Knows nothing of HTTP, terminals or SQL."""

from indexer.pipeline import index
from indexer.sources import check_sources, walk

__all__ = ["check_sources", "index", "walk"]
