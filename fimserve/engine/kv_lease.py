"""What a running sequence holds of the key-value memory.

Plain state: `kv_manager.py` makes and changes it, everybody else reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fimserve.engine.prefix_node import Node
from fimserve.engine.prefix_tree import Root


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Says whose sequence it is: what is computed for one tenant and adapter stays with them."""

    tenant: str
    """Whose."""
    adapter: str | None = None
    """Which weights; None for the model as it is."""
    session: str | None = None
    """Which document; sessions of one tenant find each other's, and do not disturb each other."""


@dataclass(frozen=True, slots=True)
class BlockCopy:
    """Asks for the first tokens of one block to be copied into another, in all layers."""

    source: int
    """Block to read."""
    target: int
    """Block to write."""
    num_tokens: int
    """How many tokens."""


@dataclass(slots=True, eq=False)
class Lease:
    """Holds the blocks of one sequence."""

    key: CacheKey
    """Whose sequence it is."""
    root: Root
    """Root of its part of the cache."""
    path: list[Node] = field(default_factory=list)
    """Nodes of the cache that the first blocks belong to; shared with others."""
    blocks: list[int] = field(default_factory=list)
    """All blocks in the order of the sequence; those behind the path are this lease's own."""
    num_cached: int = 0
    """Tokens that were there when the lease began."""
