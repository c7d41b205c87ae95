"""The indexer: brings what sources hold into a gallery. Knows nothing of HTTP, terminals or SQL."""

from indexer.pipeline import index
from indexer.sources import Source, check_sources, read
from indexer.sources.columns import parse_columns
from indexer.sources.found import Reading
from indexer.sync import check_sync

__all__ = ["Reading", "Source", "check_sources", "check_sync", "index", "parse_columns", "read"]
