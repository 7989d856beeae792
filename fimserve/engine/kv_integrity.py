"""Whether everything that is counted of the key-value memory adds up.

Counts anew from the leases and the tree, whatever the running counts say. Slow: for idle moments
and for tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from fimserve.engine.idle_cache import IdleCache
from fimserve.engine.kv_blocks import BlockPool
from fimserve.engine.kv_lease import Lease
from fimserve.engine.prefix_node import Node
from fimserve.engine.prefix_tree import PrefixTree, Root


def find_problems(
    pool: BlockPool, tree: PrefixTree, idle: IdleCache, leases: Collection[Lease], block_tokens: int
) -> list[str]:
    """Return what does not add up; nothing where all is well.

    Args:
        pool: Blocks of nobody.
        tree: Blocks in the cache.
        idle: Those of them that nobody uses.
        leases: Who uses the others.
        block_tokens: Tokens in a block.

    Returns:
        A sentence for each problem.
    """
    problems = pool.find_problems()
    problems += _find_block_problems(pool, tree, leases)
    problems += idle.find_problems(tree.roots)
    users = Counter(node for lease in leases for node in lease.path)
    for root in tree.roots:
        problems += _find_root_problems(root, leases, users, block_tokens)
    for lease in leases:
        problems += _find_lease_problems(lease, tree, block_tokens)
    return problems


def _find_block_problems(pool: BlockPool, tree: PrefixTree, leases: Collection[Lease]) -> list[str]:
    """Check that each block is free, cached, or one lease's own."""
    problems: list[str] = []
    blocks = [node.block for root in tree.roots for node in root.first.walk()]
    blocks += [block for lease in leases for block in lease.blocks[len(lease.path) :]]
    if len(set(blocks)) != len(blocks):
        problems.append("a block has two owners")
    if any(pool.is_free(block) for block in blocks):
        problems.append("a block in use is free")
    num_lost = pool.num_blocks - pool.num_free - len(blocks)
    if num_lost:
        problems.append(f"{num_lost} blocks are lost")
    return problems


def _find_root_problems(
    root: Root, leases: Collection[Lease], users: Counter[Node], block_tokens: int
) -> list[str]:
    problems: list[str] = []
    nodes = list(root.first.walk())
    if root.num_nodes != len(nodes):
        problems.append(f"a root has {len(nodes)} nodes and counts {root.num_nodes}")
    num_leases = sum(lease.root is root for lease in leases)
    if root.num_leases != num_leases:
        problems.append(f"a root has {num_leases} leases and counts {root.num_leases}")
    if not nodes and not num_leases:
        problems.append("a root is open and empty")
    for node in nodes:
        if node.num_users != users[node]:
            problems.append(
                f"block {node.block} has {users[node]} users and counts {node.num_users}"
            )
    for node in (root.first, *nodes):
        problems += node.find_problems(block_tokens)
    return problems


def _find_lease_problems(lease: Lease, tree: PrefixTree, block_tokens: int) -> list[str]:
    problems: list[str] = []
    if lease.root not in tree.roots:
        problems.append("a lease belongs to a root that was closed")
    if [node.block for node in lease.path] != lease.blocks[: len(lease.path)]:
        problems.append("a lease's blocks are not those of its path")
    if any(len(node.tokens) != block_tokens for node in lease.path):
        problems.append("a lease shares a block that is partly filled")
    parents = [lease.root.first, *lease.path]
    for parent, node in zip(parents, lease.path, strict=False):
        if node.parent is not parent or parent.children.get(node.tokens) is not node:
            problems.append(f"block {node.block} of a lease is not in the cache where it should be")
    return problems
