"""What the service counts of itself: for Prometheus, and as a table for a person."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.http.state import Service

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECENT = 1_000  # requests of each route that the table is made of
OTHER = "other"  # whatever is no route; paths that anyone may make up must not become names


@dataclass(slots=True)
class Load:
    """How busy the service is."""

    active: int = 0  # requests under way
    refused_at: float | None = None  # when one was last refused for want of room, by the monotonic clock

    def refuse(self) -> None:
        self.refused_at = time.monotonic()

    def is_short(self) -> bool:
        """Whether a request was refused within the last minute."""
        return self.refused_at is not None and time.monotonic() - self.refused_at < 60


@dataclass(slots=True)
class _Route:
    requests: int = 0
    errors: int = 0  # statuses from 500
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))


class Figures(Collector):
    """The counters of one app."""

    def __init__(self, load: Load, services: Callable[[], Mapping[str, Service] | None]) -> None:
        self.registry = CollectorRegistry()
        self._services = services
        self._routes: dict[str, _Route] = {}
        labels = ["method", "route", "status"]
        self._requests = Counter("crosslight_requests", "Requests answered", labels, registry=self.registry)
        self._seconds = Histogram(
            "crosslight_request_seconds",
            "Time to the end of the answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        active = Gauge("crosslight_requests_active", "Requests under way", registry=self.registry)
        active.set_function(lambda: load.active)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        own = self._routes.setdefault(route, _Route())
        own.requests += 1
        own.errors += status >= 500
        own.recent.append(seconds)

    def describe(self) -> Iterable[Metric]:
        """Promise nothing beforehand: what the galleries hold is asked at each look."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Give what the galleries hold and how their models are used, as it is now."""
        items = GaugeMetricFamily("crosslight_items", "Items of a gallery", labels=["gallery"])
        ready = GaugeMetricFamily("crosslight_ready", "Whether its model is loaded", labels=["gallery"])
        names = ["gallery", "kind"]
        passes = CounterMetricFamily("crosslight_encode_passes", "Passes of the encoder", labels=names)
        inputs = CounterMetricFamily("crosslight_encode_inputs", "What they took in", labels=names)
        for name, service in (self._services() or {}).items():
            items.add_metric([name], len(service.engine))
            ready.add_metric([name], service.fault is None)
            for kind, (passed, taken) in service.engine.passes().items():
                passes.add_metric([name, kind], passed)
                inputs.add_metric([name, kind], taken)
        return items, ready, passes, inputs

    def exposition(self) -> bytes:
        """Write everything in the text format of Prometheus."""
        return generate_latest(self.registry)

    def table(self) -> str:
        """Write the routes as a table, the busiest first, with times of the latest requests."""
        head = f"{'route':44} {'requests':>9} {'errors':>7} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}"
        rows = []
        for name, route in sorted(self._routes.items(), key=lambda pair: -pair[1].requests):
            times = sorted(route.recent)
            marks = " ".join(
                f"{1000 * times[int(share * (len(times) - 1))]:8.1f}" for share in (0.5, 0.95, 0.99)
            )
            rows.append(f"{name:44} {route.requests:>9,} {route.errors:>7,} {marks}")
        for name, service in (self._services() or {}).items():
            counted = ", ".join(
                f"{taken:,} {kind} in {passed:,} passes"
                for kind, (passed, taken) in service.engine.passes().items()
            )
            rows.append(f"\n{name}: {len(service.engine):,} items; encoded {counted or 'nothing yet'}")
        return "\n".join([head, *rows]) + "\n"
