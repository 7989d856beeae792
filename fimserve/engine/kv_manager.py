"""Who holds which block of the key-value memory: leases of running sequences, and the cache.

A lease finds the longest known beginning of its sequence, down to the token: of a block that agrees
in part, the common tokens are copied, or the block is taken over where nobody else wants it. So one
typed token computes one token and not a block. What a lease lets go stays cached until its room is
needed. Plain counting: knows nothing of tensors, requests and time.
"""

from __future__ import annotations

from collections.abc import Sequence

from fimserve.engine.errors import BrokenEngine
from fimserve.engine.idle_cache import IdleCache
from fimserve.engine.kv_blocks import BlockPool
from fimserve.engine.kv_integrity import find_problems
from fimserve.engine.kv_lease import BlockCopy, CacheKey, Lease
from fimserve.engine.prefix_node import Node
from fimserve.engine.prefix_tree import Match, PrefixTree, Root

__all__ = ["BlockCopy", "CacheKey", "KvManager", "Lease"]


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
        self._pool = BlockPool(num_blocks)
        self._tree = PrefixTree(block_tokens, secret)
        self._idle = IdleCache(max(1, int(num_blocks * tenant_share)))
        self._leases: set[Lease] = set()
        self._copies: list[BlockCopy] = []

    @property
    def num_free_blocks(self) -> int:
        """Blocks that a lease could get: those of nobody and those of the idle cache."""
        return self._pool.num_free + len(self._idle)

    @property
    def num_leases(self) -> int:
        """Sequences that hold blocks."""
        return len(self._leases)

    def count_blocks(self, num_tokens: int) -> int:
        """Return how many blocks a number of tokens fills."""
        return -(-num_tokens // self.block_tokens)

    def peek(self, key: CacheKey, token_ids: Sequence[int]) -> int:
        """Return how many tokens a lease would find, without taking one."""
        match = self._find(key, token_ids)
        return len(match.path) * self.block_tokens + match.num_partial

    def count_needed_blocks(self, key: CacheKey, token_ids: Sequence[int]) -> int:
        """Return how many of the free blocks a sequence takes, once it is leased and reserved."""
        num_shared = sum(1 for node in self._find(key, token_ids).path if node.num_users)
        return self.count_blocks(len(token_ids)) - num_shared

    def lease(self, key: CacheKey, token_ids: Sequence[int]) -> Lease:
        """Return a lease that holds the longest known beginning of a sequence.

        Never all of it: the last token is computed anew, for what follows it is not in the cache.

        Args:
            key: Whose sequence it is.
            token_ids: The sequence, at least one token.

        Returns:
            The lease, with blocks for `num_cached` tokens.
        """
        match = self._find(key, token_ids)
        lease = Lease(key, self._tree.open_root(key.tenant, key.adapter))
        self._leases.add(lease)
        lease.root.num_leases += 1
        for node in match.path:
            self._hold(lease, node, len(lease.path))
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
        count = self.count_blocks(num_tokens) - len(lease.blocks)
        if count <= 0:
            return True
        self._check_held(lease)
        if count > self.num_free_blocks:
            return False
        self._take(lease, count)
        return True

    def publish(self, lease: Lease, token_ids: Sequence[int]) -> None:
        """Let others find the full blocks of a sequence that goes on.

        Args:
            lease: The sequence's.
            token_ids: Its tokens that are computed.

        Raises:
            BrokenEngine: If these are more than its blocks hold.
        """
        self._check_held(lease)
        if len(token_ids) > len(lease.blocks) * self.block_tokens:
            raise BrokenEngine(f"{len(token_ids)} tokens are in {len(lease.blocks)} blocks")
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
        for node in reversed(lease.path):
            self._let_go(lease, node)
        self._leases.remove(lease)
        lease.path, lease.blocks = [], []
        lease.root.num_leases -= 1
        self._tree.close_if_empty(lease.root)

    def take_copies(self) -> list[BlockCopy]:
        """Return the copies to make before anything is computed, in this order; asked once."""
        copies, self._copies = self._copies, []
        return copies

    def drop_adapter(self, adapter: str) -> None:
        """Forget what was computed with an adapter.

        Args:
            adapter: Its name in cache keys.

        Raises:
            BrokenEngine: If a lease uses it; nothing has changed then.
        """
        roots = [root for root in self._tree.roots if root.adapter == adapter]
        if any(root.num_leases for root in roots):
            raise BrokenEngine(f"adapter {adapter!r} is in use and cannot leave the cache")
        for root in roots:
            for node in root.first.walk():
                self._evict(node, root)

    def clear(self) -> None:
        """Forget everything that no lease holds."""
        while (oldest := self._idle.oldest()) is not None:
            self._evict(*oldest)

    def check_integrity(self) -> None:
        """Check that each block is free, cached or leased exactly once, and that counts add up.

        Raises:
            BrokenEngine: If one does not.
        """
        problems = find_problems(
            self._pool, self._tree, self._idle, self._leases, self.block_tokens
        )
        if problems:
            raise BrokenEngine("; ".join(problems))

    # --- leases and nodes -------------------------------------------------------------------------

    def _find(self, key: CacheKey, token_ids: Sequence[int]) -> Match:
        root = self._tree.find_root(key.tenant, key.adapter)
        if root is None:
            return Match((), None, 0)
        return self._tree.find(root, token_ids, len(token_ids) - 1)

    def _hold(self, lease: Lease, node: Node, place: int) -> None:
        """Make a node the next of a lease's path, and its block the one at a place."""
        if node.num_users == 0:
            self._idle.remove(node)
        node.num_users += 1
        lease.path.append(node)
        lease.blocks.insert(place, node.block)

    def _let_go(self, lease: Lease, node: Node) -> None:
        node.num_users -= 1
        if node.owner != lease.key.session:
            node.owner = None
        if node.num_users == 0:
            self._idle.add(node, lease.root)

    def _adopt(self, lease: Lease, node: Node, num_tokens: int) -> None:
        """Begin the lease's own blocks with the common tokens of a node."""
        if self._may_take_over(lease, node, num_tokens):
            # Consecutive blocks stay so, and nothing is copied. What followed is old.
            for below in node.walk():
                self._evict(below, lease.root)
            self._detach(node, lease.root)
            lease.blocks.append(node.block)
        else:
            is_idle = node.num_users == 0
            if self.num_free_blocks - is_idle < 1:
                return
            if is_idle:
                # Not evicted to make room for its own copy, and used last afterwards.
                self._idle.remove(node)
            self._take(lease, 1)
            if is_idle:
                self._idle.add(node, lease.root)
            self._copies.append(BlockCopy(node.block, lease.blocks[-1], num_tokens))
        lease.num_cached += num_tokens

    def _may_take_over(self, lease: Lease, node: Node, num_tokens: int) -> bool:
        """Return whether the lease may have a node's block, and nobody would miss what is lost."""
        if node.num_users:
            return False
        if self.num_free_blocks == 1:
            return True  # no room for a copy, and the next block asked for would be this one
        # Little in common from the start: another prompt of the session, not the same one edited.
        is_edited = bool(lease.path) or 2 * num_tokens >= len(node.tokens)
        return is_edited and node.owner is not None and node.owner == lease.key.session

    def _enter(self, lease: Lease, tokens: tuple[int, ...]) -> None:
        """Move the lease's first own block into the cache, or drop it where the cache has it."""
        place = len(lease.path)
        parent = lease.path[-1] if lease.path else lease.root.first
        known = parent.find_covering(tokens)
        if known is not None:
            self._pool.give_back([lease.blocks.pop(place)])
            self._hold(lease, known, place)
            return
        covered = parent.find_covered(tokens)
        node = Node(parent, tokens, lease.blocks[place], lease.key.session, num_users=1)
        parent.add(node)
        lease.root.num_nodes += 1
        lease.path.append(node)
        for other in covered:
            self._evict(other, lease.root)  # a partly filled block: never in use, never a parent

    # --- room -------------------------------------------------------------------------------------

    def _take(self, lease: Lease, count: int) -> None:
        """Give a lease more blocks, of which the caller knows that they are free or idle."""
        while self._pool.num_free < count:
            oldest = self._idle.oldest()
            if oldest is None:
                raise BrokenEngine(f"{count} blocks are wanted, and fewer are idle than counted")
            self._evict(*oldest)
        lease.blocks += self._pool.take(count, lease.blocks[-1] if lease.blocks else None)

    def _evict(self, node: Node, root: Root) -> None:
        """Take an idle node out of the cache and its block back."""
        self._detach(node, root)
        self._pool.give_back([node.block])
        self._tree.close_if_empty(root)

    def _detach(self, node: Node, root: Root) -> None:
        """Take an idle node out of the cache; its block is somebody's from now on."""
        if node.parent is None or node.num_users or not node.is_leaf:
            raise BrokenEngine(f"block {node.block} is needed and cannot leave the cache")
        node.parent.drop(node)
        self._idle.remove(node)
        root.num_nodes -= 1

    def _check_held(self, lease: Lease) -> None:
        if lease not in self._leases:
            raise BrokenEngine("a lease was used after it had been given back")
