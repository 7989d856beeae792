"""Which graphics cards this machine has, asked of the driver's own tool.

Evaluation never imports torch, and a server behind an address would not tell.
"""

import subprocess
from dataclasses import dataclass

QUERY = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """The graphics cards of this machine."""

    name: str | None
    """None where there is none; several are joined by a plus sign."""
    driver: str | None


def find_gpu() -> Gpu:
    """Return the graphics cards of this machine and their driver's version."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return Gpu(None, None)
    return parse_gpus(done.stdout)


def parse_gpus(listing: str) -> Gpu:
    """Return what lines of `name, driver version` say.

    Args:
        listing: One line per card.

    Returns:
        The cards, joined.
    """
    rows = [line.rpartition(",") for line in listing.splitlines() if "," in line]
    if not rows:
        return Gpu(None, None)
    return Gpu(" + ".join(name.strip() for name, _, _ in rows), rows[0][2].strip())
