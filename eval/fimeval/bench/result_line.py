"""What every JSON line of a bench begins with: bench, machine, versions, commit.

The machine is the one that measures; a server at an address says of itself what it wants to, by
`/health`.
"""

from dataclasses import asdict
from typing import Any

from fimeval.gpu import Gpu
from fimeval.provenance import Provenance


def build_line(
    bench: str,
    provenance: Provenance,
    gpu: Gpu,
    is_own_server: bool,
    content: dict[str, Any],
) -> dict[str, Any]:
    """Return the JSON line of a run.

    Args:
        bench: Name of the bench.
        provenance: The machine and checkout of the measurement.
        gpu: The machine's graphics cards.
        is_own_server: Whether the run started the server, so that its versions are known here.
        content: What this bench says: settings and results, plain values.

    Returns:
        One object.
    """
    # A server at an address has versions of its own, which nobody here knows.
    packages = provenance.environment.packages if is_own_server else {}
    return {
        "bench": bench,
        "gpu": gpu.name,
        "driver": gpu.driver,
        "torch": packages.get("torch"),
        "triton": packages.get("triton"),
        "commit": provenance.commit,
        "dirty": provenance.is_dirty,
        **content,
        "provenance": asdict(provenance),
    }
