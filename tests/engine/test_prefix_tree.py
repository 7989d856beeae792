"""The longest known beginning of a sequence is found, to the token, under one's own root only."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.prefix_node import Node, count_common
from fimserve.engine.prefix_tree import PrefixTree, Root

SIZE = 4
TOKENS = st.lists(st.integers(0, 2), max_size=14)


def plant(root: Root, token_ids: Sequence[int]) -> None:
    """Put a sequence below a root, as the blocks that are not there yet."""
    node = root.first
    for start in range(0, len(token_ids), SIZE):
        tokens = tuple(token_ids[start : start + SIZE])
        known = node.find_covering(tokens)
        if known is None:
            known = Node(node, tokens, root.num_nodes)
            for covered in node.find_covered(tokens):
                node.drop(covered)
            node.add(known)
            root.num_nodes += 1
        node = known


def count_found(tree: PrefixTree, root: Root, token_ids: Sequence[int], num_wanted: int) -> int:
    match = tree.find(root, token_ids, num_wanted)
    spelt = [token for node in match.path for token in node.tokens]
    if match.partial is not None:
        spelt += match.partial.tokens[: match.num_partial]
    assert spelt == list(token_ids[: len(spelt)])
    assert all(len(node.tokens) == SIZE for node in match.path)
    return len(spelt)


@settings(deadline=None)
@given(st.lists(TOKENS, max_size=8), TOKENS, st.integers(0, 14))
def test_the_longest_known_beginning_is_found(
    known: list[list[int]], wanted: list[int], limit: int
) -> None:
    tree = PrefixTree(SIZE, b"secret")
    root = tree.open_root("tenant", None)
    for token_ids in known:
        plant(root, token_ids)
    limit = min(limit, len(wanted))
    best = max((count_common(tuple(k), tuple(wanted[:limit])) for k in known), default=0)
    assert count_found(tree, root, wanted, limit) == best
    for node in (root.first, *root.first.walk()):
        assert node.find_problems(SIZE) == []


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=4).map(tuple), unique=True))
def test_children_are_found_as_by_looking_at_all(spelt: list[tuple[int, ...]]) -> None:
    parent = Node(None, (), -1)
    for block, tokens in enumerate(spelt):
        parent.add(Node(parent, tokens, block))
    for wanted in [*spelt, (0,), (1,), (0, 1, 0, 1), (1, 1, 1, 1)]:
        _, num_common = parent.find(wanted)
        assert num_common == max((count_common(t, wanted) for t in spelt), default=0)
        covering = parent.find_covering(wanted)
        assert (covering is not None) == any(t[: len(wanted)] == wanted for t in spelt)
        covered = {node.tokens for node in parent.find_covered(wanted)}
        assert covered == {t for t in spelt if t != wanted and wanted[: len(t)] == t}


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, 3), max_size=40))
def test_common_beginnings_are_counted(first: list[int], second: list[int]) -> None:
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    assert count_common(tuple(first), tuple(second)) == count


def test_tenants_and_adapters_have_roots_of_their_own() -> None:
    tree = PrefixTree(SIZE, b"secret")
    names = [("a", None), ("b", None), ("a", "x"), ("a", "y"), ("ax", None), ("", "ax"), ("a", "")]
    roots = [tree.open_root(tenant, adapter) for tenant, adapter in names]
    assert len({root.name for root in roots}) == len(names)
    assert [tree.find_root(tenant, adapter) for tenant, adapter in names] == roots
    assert tree.find_root("c", None) is None
    assert len({root.tenant for root in roots}) == 4


def test_names_that_are_no_proper_text_are_names_too() -> None:
    tree = PrefixTree(SIZE, b"secret")
    assert tree.open_root("\ud800", "\udfff") is tree.find_root("\ud800", "\udfff")


def test_a_name_cannot_be_made_without_the_secret() -> None:
    first, second = PrefixTree(SIZE, b"secret"), PrefixTree(SIZE, b"other")
    assert first.open_root("a", None).name != second.open_root("a", None).name


def test_an_empty_root_is_forgotten_and_another_is_not() -> None:
    tree = PrefixTree(SIZE, b"secret")
    empty, leased, full = (tree.open_root(tenant, None) for tenant in "abc")
    leased.num_leases = 1
    plant(full, [1, 2, 3])
    for root in tree.roots:
        tree.close_if_empty(root)
    assert tree.roots == [leased, full]
    tree.close_if_empty(empty)
    assert tree.open_root("a", None) is not empty


def test_a_very_long_sequence_can_be_walked() -> None:
    """Deeper than Python calls can be nested."""
    tree = PrefixTree(SIZE, b"secret")
    root = tree.open_root("a", None)
    plant(root, range(5000 * SIZE))
    walked = list(root.first.walk())
    assert len(walked) == 5000
    assert walked[0].is_leaf
    place = {node: i for i, node in enumerate(walked)}
    assert all(place[node] < place.get(node.parent, 5000) for node in walked if node.parent)


def test_children_come_before_their_parents() -> None:
    dice = random.Random(1)
    tree = PrefixTree(SIZE, b"secret")
    root = tree.open_root("a", None)
    for _ in range(50):
        plant(root, [dice.randrange(2) for _ in range(dice.randrange(20))])
    seen: set[Node] = set()
    for node in root.first.walk():
        assert seen.issuperset(node.children.values())
        seen.add(node)
    assert len(seen) > 20
