"""Traces by OpenTelemetry: a span a request, below it one for a search, and below that one for each stage.

Where they are sent and how many are kept is told by the variables `OTEL_…` of the environment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, TypeAlias

from fastapi import Depends, FastAPI, Request

from api.http.watching import HEADER
from engine import Result, __version__
from engine.errors import ModelUnavailable

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

NEEDED = (
    "opentelemetry.sdk",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.instrumentation.fastapi",
)
UNTRACED = "/healthz$,/readyz$,/metrics$"  # asked every few seconds by machines
NANOSECONDS = 1_000_000  # of a millisecond
FLUSH_SECONDS = 2.0  # that a stop waits for a collector which does not answer


class Tracing:
    """The spans of one app. Raises `ModelUnavailable` where the extra is not installed."""

    def __init__(self, app: FastAPI) -> None:
        if any(not _is_there(name) for name in NEEDED):
            raise ModelUnavailable("the setting tracing needs OpenTelemetry; pip install 'crosslight[otel]'")
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

        self._exporter = OTLPSpanExporter()
        self._provider = _provider(self._exporter)
        self._tracer = self._provider.get_tracer("crosslight", __version__)
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=self._provider,
            excluded_urls=UNTRACED,
            exclude_spans=["receive", "send"],
            http_capture_headers_server_response=[HEADER],
        )

    def tell(self, result: Result | None) -> None:
        """Add the spans of a search that is just over to the request under way."""
        from opentelemetry.trace import set_span_in_context

        if result is None:
            return
        stages = dict(result.timings)
        end = time.time_ns()
        begin = end - int(stages.pop("total") * NANOSECONDS)
        told = {"hits": len(result), "reranked": result.reranked, "plan": result.plan.name}
        attributes = {f"crosslight.{name}": value for name, value in told.items()}
        search = self._tracer.start_span("search", start_time=begin, attributes=attributes)
        inside = set_span_in_context(search)
        for name, milliseconds in stages.items():
            stage = self._tracer.start_span(name, context=inside, start_time=begin)
            begin += int(milliseconds * NANOSECONDS)
            stage.end(begin)
        search.end(end)

    def broke(self, error: Exception) -> None:
        """Note what broke the request under way."""
        from opentelemetry.trace import get_current_span

        get_current_span().record_exception(error)

    def close(self) -> None:
        """Send what has not been sent, unless nobody takes it within a moment."""
        given_up = threading.Timer(FLUSH_SECONDS, self._exporter.shutdown)
        given_up.start()
        self._provider.shutdown()
        given_up.cancel()


def _provider(exporter: SpanExporter) -> TracerProvider:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create({"service.name": "crosslight", "service.version": __version__})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


async def _telling(request: Request) -> Callable[[Result | None], None]:
    tracing: Tracing | None = request.app.state.tracing
    return tracing.tell if tracing else lambda result: None


Traced: TypeAlias = Annotated[Callable[[Result | None], None], Depends(_telling)]
