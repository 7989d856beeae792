"""Which sequences of tokens the key-value memory holds: a tree whose nodes are blocks.

A path from a root spells a sequence; only leaves may be partly filled. Tokens themselves are
compared, never hashes alone. Each tenant and adapter has a root of its own under a keyed hash, so
that no request can find, or time, what another tenant computed. Knows nothing of requests.

Source: the radix tree of SGLang (arXiv 2312.07104, section 3), at block granularity.
"""

from __future__ import annotations

import heapq
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Node:
    """Holds one block and the tokens whose keys and values it has."""

    parent: Node | None
    """The block before; None for the first node, which has no block."""
    tokens: tuple[int, ...]
    """At most a block of them; none in the first node."""
    block: int
    """Number of the block; -1 in the first node."""
    owner: str | None = None
    """Session that used it last; None where none did."""
    num_users: int = 0
    """Leases that hold this node; each holds the nodes before it too."""
    last_used: int = 0
    """When a lease let it go last, counted in leases."""
    children: dict[int, list[Node]] = field(default_factory=dict)
    """Nodes that follow, by their first token."""

    @property
    def is_leaf(self) -> bool:
        """Whether nothing follows."""
        return not self.children

    def add(self, child: Node) -> None:
        """Hang a node below this one."""
        self.children.setdefault(child.tokens[0], []).append(child)

    def drop(self, child: Node) -> None:
        """Take a node away from below this one."""
        siblings = self.children[child.tokens[0]]
        siblings.remove(child)
        if not siblings:
            del self.children[child.tokens[0]]

    def walk(self) -> Iterator[Node]:
        """Yield every node below, children before their parents."""
        for siblings in list(self.children.values()):
            for child in list(siblings):
                yield from child.walk()
                yield child


@dataclass(slots=True, eq=False)
class Root:
    """Holds what one tenant computed with one adapter."""

    first: Node = field(default_factory=lambda: Node(None, (), -1))
    """The node before all blocks."""
    num_nodes: int = 0
    """Blocks below."""
    num_leases: int = 0
    """Leases whose sequences belong here."""
    idle_leaves: set[Node] = field(default_factory=set)
    """Leaves that nobody uses."""
    _by_age: list[tuple[int, int, Node]] = field(default_factory=list)

    def add_idle(self, node: Node) -> None:
        """Note a leaf that nobody uses any more."""
        self.idle_leaves.add(node)
        heapq.heappush(self._by_age, (node.last_used, node.block, node))

    def oldest_idle(self) -> Node | None:
        """Return the idle leaf that was let go longest ago, or None where there is none."""
        while self._by_age:
            last_used, _, node = self._by_age[0]
            if node in self.idle_leaves and node.last_used == last_used:
                return node
            heapq.heappop(self._by_age)  # used again, or gone, since it was noted
        return None


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
        self._names: dict[Root, tuple[bytes, str | None]] = {}

    @property
    def roots(self) -> list[Root]:
        """One for each tenant and adapter that has something in memory."""
        return list(self._roots.values())

    def find_root(self, tenant: str, adapter: str | None) -> Root | None:
        """Return the root of a tenant and adapter, or None where there is none."""
        return self._roots.get(self._name(tenant, adapter))

    def open_root(self, tenant: str, adapter: str | None) -> Root:
        """Return the root of a tenant and adapter, made now where there is none."""
        name = self._name(tenant, adapter)
        root = self._roots.get(name)
        if root is None:
            root = self._roots[name] = Root()
            self._names[root] = name, adapter
        return root

    def close_if_empty(self, root: Root) -> None:
        """Forget a root that has neither blocks nor leases."""
        if not root.num_nodes and not root.num_leases and root in self._names:
            name, _ = self._names.pop(root)
            del self._roots[name]

    def roots_of_adapter(self, adapter: str) -> list[Root]:
        """Return the roots of every tenant that used an adapter."""
        return [root for root, (_, used) in self._names.items() if used == adapter]

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
        while (start := len(path) * size) < num_wanted:
            wanted = tuple(token_ids[start : min(start + size, num_wanted)])
            best, num_best = None, 0
            for child in node.children.get(wanted[0], ()):
                num_common = _num_common(child.tokens, wanted)
                if num_common > num_best:
                    best, num_best = child, num_common
            if best is None or num_best < size:
                return Match(tuple(path), best, num_best)
            path.append(best)
            node = best
        return Match(tuple(path), None, 0)

    def _name(self, tenant: str, adapter: str | None) -> bytes:
        # Lengths keep ("a", "bc") and ("ab", "c") apart.
        tenant_bytes = tenant.encode("utf-8", "surrogatepass")
        adapter_bytes = b"" if adapter is None else b"\x01" + adapter.encode()
        message = len(tenant_bytes).to_bytes(8, "big") + tenant_bytes + adapter_bytes
        return hmac.digest(self._secret, message, "sha256")


def _num_common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Return how many first tokens two sequences share."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    low, high = 0, length  # first[:low] are equal, first[:high] are not
    while high - low > 1:
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low
