"""LangChain's own standard tests; docs/doors.md says how to run them.

They are no part of the usual run: langchain-tests brings plugins of pytest that want settings of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

standard = pytest.importorskip("langchain_tests.integration_tests", reason="langchain-tests is not installed")

from api.adapters.langchain import CrosslightRetriever, CrosslightVectorStore  # noqa: E402
from engine import SearchEngine  # noqa: E402


class TestStandardStore(standard.VectorStoreIntegrationTests):  # type: ignore[misc, name-defined]
    """LangChain's own tests of a vector store."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[CrosslightVectorStore]:
        with SearchEngine.open(tmp_path / "gallery", model="color") as engine:
            yield CrosslightVectorStore(engine)


class TestStandardRetriever(standard.RetrieversIntegrationTests):  # type: ignore[misc, name-defined]
    """LangChain's own tests of a retriever, over the gallery of colors."""

    @pytest.fixture(autouse=True)
    def _opened(self, engine: SearchEngine) -> None:
        self.engine = engine

    @property
    def retriever_constructor(self) -> type[CrosslightRetriever]:
        return CrosslightRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"engine": self.engine}

    @property
    def retriever_query_example(self) -> str:
        return "red"
