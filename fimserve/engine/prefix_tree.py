"""Which sequences of tokens the key-value memory holds: a tree whose nodes are blocks.

A path from a root spells a sequence; only leaves may be partly filled. Tokens themselves are
compared, never hashes alone. Each tenant and adapter has a root of its own under a keyed hash, so
that no request can find, or time, what another tenant computed. Knows nothing of requests.

Source: the radix tree of SGLang (arXiv 2312.07104, section 3), at block granularity.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from fimserve.engine.prefix_node import Node


@dataclass(slots=True, eq=False)
class Root:
    """Holds what one tenant computed with one adapter."""

    name: bytes
    """Keyed hash of tenant and adapter."""
    tenant: bytes
    """Keyed hash of the tenant."""
    adapter: str | None
    """The adapter."""
    first: Node = field(default_factory=lambda: Node(None, (), -1))
    """The node before all blocks."""
    num_nodes: int = 0
    """Blocks below."""
    num_leases: int = 0
    """Leases whose sequences belong here."""


@dataclass(frozen=True, slots=True)
class Match:
    """Holds the longest known beginning of a sequence."""

    path: tuple[Node, ...]
    """Nodes that match whole and are full blocks, first to last."""
    partial: Node | None
    """The node that goes on with the most common tokens; None where none has any."""
    num_partial: int
    """Number of its first tokens in common."""


class PrefixTree:
    """Holds the roots and finds sequences below them.

    Args:
        block_tokens: Tokens in a full block.
        secret: Key of the hash that names roots.
    """

    def __init__(self, block_tokens: int, secret: bytes) -> None:
        self._block_tokens = block_tokens
        self._secret = secret
        self._roots: dict[bytes, Root] = {}

    @property
    def roots(self) -> list[Root]:
        """One for each tenant and adapter that has something in memory."""
        return list(self._roots.values())

    def find_root(self, tenant: str, adapter: str | None) -> Root | None:
        """Return the root of a tenant and adapter, or None where there is none."""
        return self._roots.get(self._hash(tenant, adapter))

    def open_root(self, tenant: str, adapter: str | None) -> Root:
        """Return the root of a tenant and adapter, made now where there is none."""
        name = self._hash(tenant, adapter)
        root = self._roots.get(name)
        if root is None:
            root = self._roots[name] = Root(name, self._hash(tenant, None), adapter)
        return root

    def close_if_empty(self, root: Root) -> None:
        """Forget a root that has neither blocks nor leases."""
        if not root.num_nodes and not root.num_leases:
            self._roots.pop(root.name, None)

    def find(self, root: Root, token_ids: Sequence[int], num_wanted: int) -> Match:
        """Return what is known of the beginning of a sequence.

        Args:
            root: Where to look.
            token_ids: The sequence.
            num_wanted: Tokens of it that are of use; more are not matched.

        Returns:
            Full blocks, and the best partial one behind them.
        """
        path: list[Node] = []
        node, size = root.first, self._block_tokens
        for start in range(0, num_wanted, size):
            wanted = tuple(token_ids[start : min(start + size, num_wanted)])
            child = node.children.get(wanted)
            if child is None or len(wanted) < size:
                return Match(tuple(path), *node.find(wanted))
            path.append(child)
            node = child
        return Match(tuple(path), None, 0)

    def _hash(self, tenant: str, adapter: str | None) -> bytes:
        # Lengths keep ("a", "bc") and ("ab", "c") apart.
        tenant_bytes = tenant.encode("utf-8", "surrogatepass")
        adapter_bytes = (
            b"" if adapter is None else b"\x01" + adapter.encode("utf-8", "surrogatepass")
        )
        message = len(tenant_bytes).to_bytes(8, "big") + tenant_bytes + adapter_bytes
        return hmac.digest(self._secret, message, "sha256")
