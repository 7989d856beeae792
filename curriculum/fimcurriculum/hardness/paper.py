"""What the paper says of kinds, to hold measurements against."""

__all__ = ["HARD_KINDS"]

HARD_KINDS = frozenset({"call", "function", "class"})
"""Where arXiv 2412.16589 finds completion hardest."""
