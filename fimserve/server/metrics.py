"""Numbers for Prometheus: what clients waited for and got, and what the engine holds.

Every label is a route's own path, a dialect's name, a code of ours or an experiment's arm, so that
no client can make up a time series. Knows requests only by their records and the engine only by its
stats.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fimserve.engine import EngineStats, Usage
from fimserve.server.errors import CLIENT_CLOSED_REQUEST
from fimserve.server.request_record import RequestRecord
from fimserve.server.served_arm import ServedArm

__all__ = ["Metrics"]

LATENCY_S = (
    *(0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 2.0, 5.0, 10.0),
)
"""Upper ends of the buckets for waits: grey text is good below 100 ms and useless above 1 s."""

TOKEN_S = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.016, 0.025, 0.05, 0.1)
"""Upper ends of the buckets for the time per further token."""

SIZES_TOKENS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """Counts requests and renders all numbers.

    Args:
        read_stats: What the engine says of itself; asked whenever the numbers are.
    """

    def __init__(self, read_stats: Callable[[], EngineStats]) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._registry.register(EngineCollector(read_stats))
        self._requests = self._counter(
            "requests", "Requests that have ended.", "route", "method", "status"
        )
        self._refusals = self._counter("refusals", "Requests refused, by the error's code.", "code")
        self._cancels = self._counter(
            "cancels", "Completions given up: the client left, or a newer one took over.", "cause"
        )
        self._prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts.")
        self._cached_tokens = self._counter(
            "cached_tokens", "Tokens of prompts that were in the cache."
        )
        self._new_tokens = self._counter("completion_tokens", "Tokens of completions.")
        self._drafted = self._counter("drafted_tokens", "Tokens guessed ahead.")
        self._accepted = self._counter("accepted_tokens", "Tokens guessed ahead and right.")
        self._ttft = self._histogram("ttft_seconds", "Until the first token.", LATENCY_S)
        self._tpot = self._histogram("tpot_seconds", "Per further token.", TOKEN_S)
        self._queue = self._histogram("queue_seconds", "Until work began.", LATENCY_S)
        self._e2e = self._histogram("e2e_seconds", "Until the last byte was sent.", LATENCY_S)
        self._arm_requests = Counter(
            "fimserve_arm_requests",
            "Completions of users who are in an experiment.",
            ("experiment", "arm", "assigned_arm", "status"),
            registry=self._registry,
        )
        self._arm_e2e = Histogram(
            "fimserve_arm_e2e_seconds",
            "The same until the last byte was sent.",
            ("experiment", "arm"),
            buckets=LATENCY_S,
            registry=self._registry,
        )
        self._prompt_sizes = self._histogram("prompt_size_tokens", "Prompts.", SIZES_TOKENS)

    def observe(self, record: RequestRecord) -> None:
        """Count a request that has ended.

        Args:
            record: What is known of it.
        """
        dialect = record.dialect
        method = record.method if record.method in METHODS else "other"
        self._requests.labels(dialect, record.route, method, str(record.status or 0)).inc()
        if record.refusal is not None:
            self._refusals.labels(dialect, record.refusal).inc()
        if record.status == CLIENT_CLOSED_REQUEST:
            cause = "client_left" if record.finish == "ClientDisconnected" else "superseded"
            self._cancels.labels(dialect, cause).inc()
        if record.served is not None:
            self._observe_arm(record, record.served)
        if record.usage is not None:
            self._observe_usage(dialect, record.usage)
            self._e2e.labels(dialect).observe(record.elapsed_ms / 1000.0)

    def render(self) -> bytes:
        """Return all numbers in Prometheus' text format."""
        return generate_latest(self._registry)

    def _observe_arm(self, record: RequestRecord, served: ServedArm) -> None:
        # Named by the operator: no client can make up a time series.
        self._arm_requests.labels(
            served.experiment, served.arm, served.assigned_arm, str(record.status or 0)
        ).inc()
        if record.usage is not None:
            seconds = record.elapsed_ms / 1000.0
            self._arm_e2e.labels(served.experiment, served.arm).observe(seconds)

    def _observe_usage(self, dialect: str, usage: Usage) -> None:
        self._prompt_tokens.labels(dialect).inc(usage.prompt_tokens)
        self._cached_tokens.labels(dialect).inc(usage.cached_tokens)
        self._new_tokens.labels(dialect).inc(usage.completion_tokens)
        self._drafted.labels(dialect).inc(usage.drafted_tokens)
        self._accepted.labels(dialect).inc(usage.accepted_tokens)
        self._queue.labels(dialect).observe(usage.queue_ms / 1000.0)
        self._ttft.labels(dialect).observe(usage.ttft_ms / 1000.0)
        self._prompt_sizes.labels(dialect).observe(usage.prompt_tokens)
        if usage.completion_tokens > 1:
            per_token_ms = (usage.e2e_ms - usage.ttft_ms) / (usage.completion_tokens - 1)
            self._tpot.labels(dialect).observe(max(0.0, per_token_ms) / 1000.0)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        labels = ("dialect", *labels)
        return Counter(f"fimserve_{name}", meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str, ends: tuple[float, ...]) -> Histogram:
        return Histogram(
            f"fimserve_{name}", meaning, ("dialect",), buckets=ends, registry=self._registry
        )


class EngineCollector(Collector):
    """Reads the engine's own numbers when they are asked for.

    Args:
        read_stats: What the engine says of itself.
    """

    def __init__(self, read_stats: Callable[[], EngineStats]) -> None:
        self._read_stats = read_stats

    def collect(self) -> Iterator[Metric]:
        """Yield one metric per number of the engine.

        Yields:
            Metric: The number as it is now.
        """
        stats = self._read_stats()
        gauges = (
            ("up", "1 while the engine's thread runs.", int(stats.is_alive)),
            ("running", "Completions being written: the batch.", stats.num_running),
            ("waiting", "Completions whose turn has not come: the queue.", stats.num_waiting),
            ("kv_blocks", "Blocks of keys and values.", stats.num_blocks),
            (
                "kv_blocks_used",
                "Blocks that running completions hold; idle cache is not in use.",
                stats.num_blocks - stats.num_free_blocks,
            ),
            ("adapters", "LoRA adapters that are loaded.", len(stats.adapters)),
        )
        for name, meaning, value in gauges:
            yield GaugeMetricFamily(f"fimserve_engine_{name}", meaning, value)
        yield CounterMetricFamily(
            "fimserve_engine_restarts", "Times the engine was replaced.", stats.num_restarts
        )
