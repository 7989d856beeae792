"""Who holds which block of the key-value memory: leases of running sequences, and the cache.

A lease finds the longest known beginning of its sequence, down to the token: of a block that agrees
in part, the common tokens are copied, or the block is taken over where nobody else wants it. So one
typed token computes one token and not a block. What a lease lets go stays cached until its room is
needed. Plain counting: knows nothing of tensors, requests and time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fimserve.engine.errors import BrokenEngine
from fimserve.engine.kv_blocks import BlockPool
from fimserve.engine.prefix_tree import Node, PrefixTree, Root


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Says whose sequence it is: what is computed under one key is never found under another."""

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
    target: int
    num_tokens: int


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


class KvManager:
    """Leases blocks and keeps what was computed.

    Args:
        num_blocks: Blocks there are.
        block_tokens: Tokens in a block.
        secret: Key under which tenants' parts of the cache are named.
        tenant_share: Share of the blocks that one tenant's idle cache may take while others want
            room: beyond it, the tenant's own least recently used blocks go first.
    """

    def __init__(
        self, num_blocks: int, block_tokens: int, secret: bytes, tenant_share: float = 1.0
    ) -> None:
        self.num_blocks = num_blocks
        self.block_tokens = block_tokens
        self._max_tenant_blocks = max(1, int(num_blocks * tenant_share))
        self._pool = BlockPool(num_blocks)
        self._tree = PrefixTree(block_tokens, secret)
        self._num_idle = 0
        self._leases: set[Lease] = set()
        self._copies: list[BlockCopy] = []
        self._num_uses = 0

    @property
    def num_free_blocks(self) -> int:
        """Blocks that a lease could get: those of nobody and those of the idle cache."""
        return self._pool.num_free + self._num_idle

    def peek(self, key: CacheKey, token_ids: Sequence[int]) -> int:
        """Return how many tokens a lease would find, without taking one."""
        root = self._tree.find_root(key.tenant, key.adapter)
        if root is None:
            return 0
        match = self._tree.find(root, token_ids, len(token_ids) - 1)
        return len(match.path) * self.block_tokens + match.num_partial

    def lease(self, key: CacheKey, token_ids: Sequence[int]) -> Lease:
        """Return a lease that holds the longest known beginning of a sequence.

        Never all of it: the last token is computed anew, for what follows it is not in the cache.

        Args:
            key: Whose sequence it is.
            token_ids: The sequence, at least one token.

        Returns:
            The lease, with blocks for `num_cached` tokens.
        """
        root = self._tree.open_root(key.tenant, key.adapter)
        match = self._tree.find(root, token_ids, len(token_ids) - 1)
        lease = Lease(key, root)
        self._leases.add(lease)
        root.num_leases += 1
        for node in match.path:
            self._hold(lease, node)
        lease.num_cached = len(match.path) * self.block_tokens
        if match.partial is not None:
            self._adopt(lease, match.partial, match.num_partial)
        return lease

    def reserve(self, lease: Lease, num_tokens: int) -> bool:
        """Make room for a number of tokens in all.

        Args:
            lease: Who needs it.
            num_tokens: Tokens, those it has room for included.

        Returns:
            Whether there is room now; where not, nothing has changed.
        """
        count = -(-num_tokens // self.block_tokens) - len(lease.blocks)
        if count <= 0:
            return True
        if count > self.num_free_blocks:
            return False
        self._make_free(count, lease.root)
        lease.blocks += self._pool.take(count, lease.blocks[-1] if lease.blocks else None)
        return True

    def publish(self, lease: Lease, token_ids: Sequence[int]) -> None:
        """Let others find the full blocks of a sequence that goes on.

        Args:
            lease: The sequence's.
            token_ids: Its tokens that are computed.
        """
        size = self.block_tokens
        while (start := len(lease.path) * size) + size <= len(token_ids):
            self._enter(lease, tuple(token_ids[start : start + size]))

    def release(self, lease: Lease, token_ids: Sequence[int]) -> None:
        """Give a lease back; what was computed stays in the cache while there is room.

        Args:
            lease: The lease.
            token_ids: Tokens of the sequence that are computed; more may be in the blocks.
        """
        self.publish(lease, token_ids)
        rest = tuple(token_ids[len(lease.path) * self.block_tokens :])
        if rest:
            self._enter(lease, rest)
        self._pool.give_back(lease.blocks[len(lease.path) :])
        self._leases.discard(lease)
        for node in reversed(lease.path):
            self._let_go(node, lease)
        lease.path, lease.blocks = [], []
        lease.root.num_leases -= 1
        self._tree.close_if_empty(lease.root)

    def take_copies(self) -> list[BlockCopy]:
        """Return the copies to make before anything is computed, in this order; asked once."""
        copies, self._copies = self._copies, []
        return copies

    def drop_adapter(self, adapter: str) -> None:
        """Forget what was computed with an adapter; nobody may be using it."""
        for root in self._tree.roots_of_adapter(adapter):
            for node in root.first.walk():
                self._remove(node, root)
            self._tree.close_if_empty(root)

    def clear(self) -> None:
        """Forget everything that no lease holds."""
        while (victim := self._choose_victim(None)) is not None:
            self._remove(*victim)

    # --- leases and nodes -------------------------------------------------------------------------

    def _hold(self, lease: Lease, node: Node) -> None:
        if node.num_users == 0:
            self._num_idle -= 1
            lease.root.idle_leaves.discard(node)
        node.num_users += 1
        lease.path.append(node)
        lease.blocks.append(node.block)

    def _let_go(self, node: Node, lease: Lease) -> None:
        self._num_uses += 1
        node.num_users -= 1
        node.last_used = self._num_uses
        node.owner = lease.key.session
        if node.num_users == 0:
            self._num_idle += 1
            if node.is_leaf:
                lease.root.add_idle(node)

    def _adopt(self, lease: Lease, node: Node, num_tokens: int) -> None:
        """Begin the lease's own blocks with the common tokens of a node."""
        is_own = node.num_users == 0 and node.owner is not None and node.owner == lease.key.session
        if is_own:
            # Taken over: consecutive blocks stay so, and nothing is copied. What followed is old.
            for below in node.walk():
                self._remove(below, lease.root)
            self._detach(node, lease.root)
            lease.blocks.append(node.block)
        else:
            # Used while its copy is made room for, so that it does not make that room itself.
            if self.num_free_blocks - (node.num_users == 0) < 1:
                return
            owner = node.owner
            self._hold(lease, node)
            self._make_free(1, lease.root)
            lease.path.pop()
            lease.blocks.pop()
            self._let_go(node, lease)
            node.owner = owner
            (block,) = self._pool.take(1, lease.blocks[-1] if lease.blocks else None)
            self._copies.append(BlockCopy(node.block, block, num_tokens))
            lease.blocks.append(block)
        lease.num_cached += num_tokens

    def _enter(self, lease: Lease, tokens: tuple[int, ...]) -> None:
        """Move the lease's first own block into the cache, or drop it where the cache has it."""
        place = len(lease.path)
        parent = lease.path[-1] if lease.path else lease.root.first
        for child in parent.children.get(tokens[0], ()):
            if child.tokens[: len(tokens)] == tokens and (
                len(tokens) < self.block_tokens or len(child.tokens) == len(tokens)
            ):
                self._pool.give_back([lease.blocks[place]])
                del lease.blocks[place]
                self._hold_at(lease, place, child)
                return
        node = Node(parent, tokens, lease.blocks[place], lease.key.session, num_users=1)
        parent.add(node)
        lease.root.num_nodes += 1
        lease.path.append(node)
        self._drop_covered(lease.root, parent, node)

    def _hold_at(self, lease: Lease, place: int, node: Node) -> None:
        self._hold(lease, node)
        lease.blocks.insert(place, lease.blocks.pop())

    def _drop_covered(self, root: Root, parent: Node, node: Node) -> None:
        """Drop idle leaves beside a new node that only hold the beginning of it."""
        for other in list(parent.children.get(node.tokens[0], ())):
            size = len(other.tokens)
            if (
                other is not node
                and other.num_users == 0
                and other.is_leaf
                and size <= len(node.tokens)
                and node.tokens[:size] == other.tokens
            ):
                self._remove(other, root)

    # --- room -------------------------------------------------------------------------------------

    def _make_free(self, count: int, root: Root) -> None:
        """Evict idle leaves until enough blocks are nobody's; the caller knows that there are."""
        while self._pool.num_free < count:
            victim = self._choose_victim(root)
            if victim is None:
                raise BrokenEngine(f"{count} blocks are wanted, and fewer are idle than counted")
            self._remove(*victim)

    def _choose_victim(self, root: Root | None) -> tuple[Node, Root] | None:
        """Return the idle leaf let go longest ago: a tenant's own where it has its share."""
        if root is not None and root.num_nodes > self._max_tenant_blocks:
            own = root.oldest_idle()
            if own is not None:
                return own, root
        oldest = [(leaf, r) for r in self._tree.roots if (leaf := r.oldest_idle()) is not None]
        return min(oldest, key=lambda entry: entry[0].last_used, default=None)

    def _remove(self, node: Node, root: Root) -> None:
        """Take an idle node out of the cache and its block back."""
        self._detach(node, root)
        self._pool.give_back([node.block])

    def _detach(self, node: Node, root: Root) -> None:
        """Take an idle node out of the cache; its block is somebody's from now on."""
        parent = node.parent
        if parent is None or node.num_users:
            raise BrokenEngine(f"block {node.block} is in use and cannot leave the cache")
        parent.drop(node)
        root.num_nodes -= 1
        self._num_idle -= 1
        root.idle_leaves.discard(node)
        if parent.is_leaf and parent.num_users == 0 and parent.parent is not None:
            root.add_idle(parent)

    # --- checks -----------------------------------------------------------------------------------

    def check_integrity(self) -> None:
        """Check that each block is free, cached or leased exactly once, and that counts add up.

        Raises:
            BrokenEngine: If one is not.
        """
        users: dict[Node, int] = {}
        blocks: list[int] = []
        problems: list[str] = []
        for lease in self._leases:
            for node in lease.path:
                users[node] = users.get(node, 0) + 1
            blocks += lease.blocks[len(lease.path) :]
            if [node.block for node in lease.path] != lease.blocks[: len(lease.path)]:
                problems.append("a lease's blocks are not those of its path")
        num_idle = 0
        for root in self._tree.roots:
            nodes = list(root.first.walk())
            blocks += [node.block for node in nodes]
            idle = [node for node in nodes if node.num_users == 0]
            num_idle += len(idle)
            problems += self._find_problems(root, nodes, users)
        if len(set(blocks)) != len(blocks):
            problems.append("a block has two owners")
        if any(self._pool.is_free(block) for block in blocks):
            problems.append("a block in use is free")
        if len(blocks) + self._pool.num_free != self.num_blocks:
            problems.append(
                f"{self.num_blocks - len(blocks) - self._pool.num_free} blocks are lost"
            )
        if num_idle != self._num_idle:
            problems.append(f"{num_idle} blocks are idle and {self._num_idle} are counted")
        if problems:
            raise BrokenEngine("; ".join(problems))

    def _find_problems(self, root: Root, nodes: list[Node], users: dict[Node, int]) -> list[str]:
        problems: list[str] = []
        if {n for n in nodes if n.num_users == 0 and n.is_leaf} != root.idle_leaves:
            problems.append("the idle leaves are not those listed")
        if root.num_nodes != len(nodes):
            problems.append(f"a root has {len(nodes)} nodes and counts {root.num_nodes}")
        if root.num_leases != sum(lease.root is root for lease in self._leases):
            problems.append("a root has miscounted its leases")
        for node in nodes:
            if node.num_users != users.get(node, 0):
                problems.append(f"block {node.block} has {users.get(node, 0)} users")
            if not node.is_leaf and len(node.tokens) != self.block_tokens:
                problems.append(f"block {node.block} is partly filled and has a successor")
        return problems
