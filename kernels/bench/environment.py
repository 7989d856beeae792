"""What a measurement was taken on: card, driver, versions, commit."""

import platform
from typing import Any

import torch

from fimeval.gpu import find_gpu
from fimeval.provenance import describe_provenance


def describe_environment() -> dict[str, Any]:
    """Return what every line of results carries."""
    gpu, provenance = find_gpu(), describe_provenance()
    return {
        "date": provenance.date,
        "gpu": gpu.name,
        "driver": gpu.driver,
        "torch": torch.__version__,
        "triton": provenance.environment.packages.get("triton"),
        "python": platform.python_version(),
        "commit": provenance.commit,
        "dirty": provenance.is_dirty,
        "command": provenance.command,
    }
