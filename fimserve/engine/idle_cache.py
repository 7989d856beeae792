"""Blocks that hold something and that nobody uses: which of them goes when room is needed.

The one let go longest ago goes first, but a tenant with more than its share pays before everybody
else. A lease lets its last block go first, so that the oldest block never has another behind it.
Knows nothing of tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from fimserve.engine.prefix_node import Node
from fimserve.engine.prefix_tree import Root


class IdleCache:
    """Keeps idle blocks in the order of their last use.

    Args:
        max_tenant_blocks: How many a tenant may have before its own go first.
    """

    def __init__(self, max_tenant_blocks: int) -> None:
        self._max_tenant_blocks = max_tenant_blocks
        # A plain dict would do, were it not slow at losing its first entries again and again.
        self._by_age: OrderedDict[Node, Root] = OrderedDict()
        self._by_tenant: dict[bytes, OrderedDict[Node, Root]] = {}
        self._above_share: set[bytes] = set()

    def __len__(self) -> int:
        """Return the number of idle blocks."""
        return len(self._by_age)

    def __iter__(self) -> Iterator[Node]:
        """Yield the blocks, oldest first."""
        return iter(self._by_age)

    def add(self, node: Node, root: Root) -> None:
        """Note a block that nobody uses any more."""
        own = self._by_tenant.setdefault(root.tenant, OrderedDict())
        self._by_age[node] = own[node] = root
        if len(own) > self._max_tenant_blocks:
            self._above_share.add(root.tenant)

    def remove(self, node: Node) -> None:
        """Note that a block is used again, or gone."""
        tenant = self._by_age.pop(node).tenant
        own = self._by_tenant[tenant]
        del own[node]
        if len(own) <= self._max_tenant_blocks:
            self._above_share.discard(tenant)
        if not own:
            del self._by_tenant[tenant]

    def oldest(self) -> tuple[Node, Root] | None:
        """Return the block to give up next, or None where there is none."""
        blocks = self._by_age
        if self._above_share:
            greediest = max(self._above_share, key=lambda tenant: len(self._by_tenant[tenant]))
            blocks = self._by_tenant[greediest]
        return next(iter(blocks.items()), None)

    def find_problems(self, roots: Iterable[Root]) -> list[str]:
        """Return what is wrong with the list of idle blocks, given the roots of all blocks."""
        problems: list[str] = []
        idle = {node: root for root in roots for node in root.first.walk() if not node.num_users}
        if idle != dict(self._by_age):
            problems.append(f"{len(idle)} blocks are idle and {len(self)} are listed")
        age: dict[Node | None, int] = {node: place for place, node in enumerate(self)}
        parents = ((node, node.parent) for node in idle)
        if any(parent in age and age[parent] < age.get(node, 0) for node, parent in parents):
            problems.append("a block would go before the one behind it")
        own = [(node, root) for blocks in self._by_tenant.values() for node, root in blocks.items()]
        if len(own) != len(self) or dict(own) != dict(self._by_age):
            problems.append("the idle blocks of all tenants are not the idle blocks")
        for tenant, blocks in self._by_tenant.items():
            if not blocks or any(root.tenant != tenant for root in blocks.values()):
                problems.append("idle blocks are listed for the wrong tenant")
            if list(blocks) != [node for node in self if node in blocks]:
                problems.append("a tenant's idle blocks are in another order")
            if (len(blocks) > self._max_tenant_blocks) != (tenant in self._above_share):
                problems.append("a tenant's share is miscounted")
        if not self._above_share <= self._by_tenant.keys():
            problems.append("a tenant without idle blocks is above its share")
        return problems
