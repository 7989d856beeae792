"""Health as Tabby's agent and llama.cpp's clients read it: one object that both understand.

The agent completes only where `model` is said, so that it is said exactly while the engine can
complete; it compares `git_describe` with the version of Tabby whose protocol it needs.
"""

import os
import platform
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fimserve import __version__
from fimserve.server.service import Service

__all__ = ["describe_health"]

SPOKEN_VERSION = "v0.30.0"
"""The version of Tabby whose protocol this is."""

CPU_FACTS = Path("/proc/cpuinfo")


def describe_health(service: Service) -> dict[str, object]:
    """Return the body of `/v1/health`.

    Args:
        service: The service.

    Returns:
        Tabby's fields and llama.cpp's `status`; without `model` where nothing can be completed.
    """
    is_alive = service.engine.stats().is_alive
    kind, _, _ = (service.device or "cpu").partition(":")
    can_fill = is_alive and service.engine.card.fim_family is not None
    model = {"model_id": service.names.served, "device": kind}
    none = {"local": {"model_id": "none", "device": "cpu"}}
    return {
        "status": "ok" if is_alive else "engine stopped",
        **({"model": service.names.served} if can_fill else {}),
        "device": kind,
        "cuda_devices": [service.device] if kind == "cuda" else [],
        "models": {"completion": {"local": model} if can_fill else None, "embedding": none},
        "arch": platform.machine(),
        "cpu_info": _cpu_name(),
        "cpu_count": os.cpu_count() or 1,
        "version": _version(service.started_unix_s),
        "webserver": False,
    }


def _version(started_unix_s: float) -> dict[str, str]:
    started = datetime.fromtimestamp(started_unix_s, UTC)
    return {
        # Nothing is built: the date is that of the process.
        "build_date": started.strftime("%Y-%m-%d"),
        "build_timestamp": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "git_sha": f"fimserve-{__version__}",
        "git_describe": SPOKEN_VERSION,
    }


@cache
def _cpu_name() -> str:
    """Return the processor's name as Linux tells it, or the architecture's."""
    try:
        lines = CPU_FACTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
