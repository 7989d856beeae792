"""Whatever is counted wrongly is found: the other tests rely on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fimserve.engine.errors import BrokenEngine
from fimserve.engine.kv_manager import CacheKey, KvManager, Lease

KEY = CacheKey("local")


class Parts:
    """A manager with something of everything, opened up.

    Twelve blocks of four tokens: two shared and one owned by a running lease, four idle.
    """

    def __init__(self) -> None:
        self.kv = KvManager(12, 4, b"secret", tenant_share=0.25)
        for key, first in ((KEY, 0), (CacheKey("stranger"), 50)):
            done = self.kv.lease(key, range(first, first + 10))
            assert self.kv.reserve(done, 10)
            self.kv.release(done, range(first, first + 10))
        self.lease: Lease = self.kv.lease(KEY, [*range(8), 99, 98])
        assert self.kv.reserve(self.lease, 10)
        self.kv.check_integrity()
        self.pool, self.tree, self.idle = self.kv._pool, self.kv._tree, self.kv._idle
        self.root = self.lease.root
        self.node = self.lease.path[1]
        self.leaf = next(iter(self.node.children.values()))

    def lose_a_block(self) -> None:
        self.pool.take(1)

    def give_a_used_block_back(self) -> None:
        self.pool.give_back([self.lease.blocks[-1]])

    def give_a_cached_block_back(self) -> None:
        self.pool.give_back([self.leaf.block])

    def count_one_free_block_more(self) -> None:
        self.pool.num_free += 1

    def own_a_block_twice(self) -> None:
        self.lease.blocks[-1] = self.leaf.block

    def forget_a_user(self) -> None:
        self.node.num_users -= 1

    def forget_a_lease(self) -> None:
        self.kv._leases.discard(self.lease)

    def count_one_lease_more(self) -> None:
        self.root.num_leases += 1

    def count_one_node_less(self) -> None:
        self.root.num_nodes -= 1

    def leave_a_root_open(self) -> None:
        self.tree.open_root("nobody", None)

    def close_a_root_in_use(self) -> None:
        del self.tree._roots[self.root.name]

    def leave_an_idle_block_out(self) -> None:
        self.idle.remove(self.leaf)

    def list_a_used_block_as_idle(self) -> None:
        self.idle.add(self.node, self.root)

    def let_a_parent_go_first(self) -> None:
        last = next(node for node in self.idle if node.parent in set(self.idle))
        self.idle._by_age.move_to_end(last)
        self.idle._by_tenant[self.idle._by_age[last].tenant].move_to_end(last)

    def list_a_block_for_the_wrong_tenant(self) -> None:
        first, second = self.idle._by_tenant
        blocks = self.idle._by_tenant
        blocks[first], blocks[second] = blocks[second], blocks[first]

    def put_a_modest_tenant_above_its_share(self) -> None:
        self.idle._above_share.add(self.root.tenant)

    def drop_a_node_without_its_block(self) -> None:
        self.node.drop(self.leaf)

    def put_children_out_of_order(self) -> None:
        self.root.first._in_order.insert(0, (1,))

    def change_the_tokens_of_a_node(self) -> None:
        self.leaf.tokens = (8,)

    def make_a_shared_block_partial(self) -> None:
        self.node.parent.drop(self.node)  # type: ignore[union-attr]
        self.node.tokens = self.node.tokens[:2]
        self.node.parent.add(self.node)  # type: ignore[union-attr]

    def hang_a_node_elsewhere(self) -> None:
        self.leaf.parent = self.root.first

    def hold_a_block_without_the_one_before(self) -> None:
        del self.lease.path[0], self.lease.blocks[0]
        self.root.first.children[(0, 1, 2, 3)].num_users -= 1

    def mix_up_the_blocks_of_a_lease(self) -> None:
        self.lease.blocks[0], self.lease.blocks[1] = self.lease.blocks[1], self.lease.blocks[0]


CORRUPTIONS = [value for name, value in vars(Parts).items() if not name.startswith("__")]


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda corrupt: corrupt.__name__)
def test_a_defect_is_found(corrupt: Callable[[Parts], None]) -> None:
    parts = Parts()
    corrupt(parts)
    with pytest.raises(BrokenEngine):
        parts.kv.check_integrity()


def test_all_defects_are_named_at_once() -> None:
    parts = Parts()
    parts.lose_a_block()
    parts.count_one_lease_more()
    with pytest.raises(BrokenEngine, match="1 blocks are lost; a root has 1 leases and counts 2"):
        parts.kv.check_integrity()


def test_there_are_corruptions() -> None:
    assert len(CORRUPTIONS) > 20
