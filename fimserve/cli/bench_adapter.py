"""`fimserve bench latency --adapter`: the model alone, with an adapter, and with it merged in.

Three services of their own are asked the same in turn, and what the second and third add to the
times of the first is told pair by pair.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from fimeval.bench.target import Target
from fimserve.cli.benching import LatencyOptions, ServerOptions, measure_targets
from fimserve.cli.failure import Failure, UsageFailure

__all__ = ["run_adapter_latency"]


def run_adapter_latency(
    server: ServerOptions,
    adapter: Path | None,
    rank: int | None,
    options: LatencyOptions,
    output: Path | None,
) -> None:
    """Measure what an adapter costs, unmerged and merged.

    Args:
        server: The model to serve.
        adapter: Directory of the adapter; None makes one of random numbers.
        rank: Rank of the random one.
        options: What to measure.
        output: File that gets the line; None keeps none.

    Raises:
        UsageFailure: If a server is given by its address, or adapter and rank together.
        Failure: If model or adapter cannot be read, or do not fit.
    """
    from fimserve.models import (
        ModelError,
        merge_adapter,
        read_adapter,
        resolve_model,
        write_random_adapter,
    )

    if server.url is not None:
        raise UsageFailure("--adapter and --adapter-rank go without --url: three services start")
    if adapter is not None and rank is not None:
        raise UsageFailure("--adapter-rank makes an adapter of random numbers; leave out one")
    with TemporaryDirectory(prefix="fimserve-bench-") as directory:
        work = Path(directory)
        try:
            source = resolve_model(server.model or "embedded")
            found = adapter or write_random_adapter(
                source, work / "adapters" / f"random-rank-{rank}", rank or 16
            )
            merged = merge_adapter(source, read_adapter(found), work / "merged")
        except ModelError as error:
            raise Failure(str(error)) from None
        Console(stderr=True).print("starting three services: base, unmerged, merged")
        base = server.to_target("base")
        measure_targets((base, *_with_adapter(base, found, merged)), options, output)


def _with_adapter(base: Target, adapter: Path, merged: Path) -> tuple[Target, Target]:
    return (
        replace(base, name="unmerged", adapter=adapter.resolve()),
        replace(base, name="merged", model=str(merged)),
    )
