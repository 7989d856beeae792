"""Sampling values as dialects give them, brought into the engine's ranges."""

__all__ = ["wrap_seed"]

_NUM_SEEDS = 2**64


def wrap_seed(seed: int | None) -> int | None:
    """Return the engine's seed for a client's, which may be negative; each keeps its own text."""
    return None if seed is None else seed % _NUM_SEEDS
