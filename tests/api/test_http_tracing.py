"""Traces as a collector gets them: a real server sends them by OTLP over HTTP to a small receiver."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from serving import running

from api.http import Settings, create_app

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
from api.http import Settings, create_app
create_app(Settings(Path("g")))
print("untraced it can be had")
create_app(Settings(Path("g"), tracing=True))
"""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ExportTraceServiceRequest]]:
    """What a collector has received; the environment tells the service where it is."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "photos")
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


def spans(sent: list[ExportTraceServiceRequest]) -> list[Span]:
    return [
        span
        for request in sent
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def values(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


def test_a_search_is_a_trace_with_a_span_for_each_stage(
    gallery: Path, sent: list[ExportTraceServiceRequest]
) -> None:
    with running(create_app(Settings(gallery, tracing=True))) as address:
        caller = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        found = httpx.post(f"{address}v1/search", json={"text": "red", "k": 2}, headers=caller)
        httpx.get(f"{address}healthz")
        httpx.get(f"{address}v1/items/999")
    everything = spans(sent)
    (name,) = {
        one.value.string_value
        for s in sent
        for r in s.resource_spans
        for one in r.resource.attributes
        if one.key == "service.name"
    }
    assert name == "photos"
    by_name = {span.name: span for span in everything}
    timings = found.json()["timings"]
    assert set(by_name) == {"POST /v1/search", "GET /v1/items/{id}", "search", *timings} - {"total"}
    request, search = by_name["POST /v1/search"], by_name["search"]
    assert request.trace_id.hex() == TRACE and search.parent_span_id == request.span_id
    assert values(search) == {
        "crosslight.hits": 2,
        "crosslight.reranked": False,
        "crosslight.plan": "unfiltered",
    }
    identity = values(request)["http.response.header.x_request_id"].values[0].string_value  # type: ignore[attr-defined]
    assert identity == found.headers["x-request-id"]
    for stage in set(timings) - {"total"}:
        span = by_name[stage]
        assert span.parent_span_id == search.span_id and span.trace_id == search.trace_id
        assert request.start_time_unix_nano <= span.start_time_unix_nano <= search.end_time_unix_nano
        took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        assert took == pytest.approx(timings[stage], abs=0.01)


def test_nothing_is_sent_unless_asked_for(gallery: Path, sent: list[ExportTraceServiceRequest]) -> None:
    with running(create_app(Settings(gallery))) as address:
        httpx.post(f"{address}v1/search", json={"text": "red"})
    assert sent == []


def test_without_the_extra_the_setting_says_what_is_lacking() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert "tracing needs OpenTelemetry; pip install 'crosslight[otel]'" in done.stderr
    assert done.stdout == "untraced it can be had\n"
