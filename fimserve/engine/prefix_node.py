"""One block of the tree of known sequences, and which of the blocks behind it goes on as wanted.

Children stand in the order of their tokens: the one with the longest common beginning is a
neighbour of where the wanted tokens would stand, so that a few comparisons find it among thousands
(all prompts of a format begin with the same marker). Knows nothing of leases and of memory.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from fimserve.engine.errors import BrokenEngine

Tokens: TypeAlias = tuple[int, ...]


@dataclass(slots=True, eq=False)
class Node:
    """Holds one block and the tokens whose keys and values it has."""

    parent: Node | None
    """The block before; None for the first node, which has no block."""
    tokens: Tokens
    """At most a block of them; none in the first node."""
    block: int
    """Number of the block; -1 in the first node."""
    owner: str | None = None
    """Session that alone has used it; None where several have, or one without a name."""
    num_users: int = 0
    """Leases that hold this node; each holds the nodes before it too."""
    children: dict[Tokens, Node] = field(default_factory=dict)
    """Nodes that follow, by their tokens."""
    _in_order: list[Tokens] = field(default_factory=list)

    @property
    def is_leaf(self) -> bool:
        """Whether nothing follows."""
        return not self.children

    def add(self, child: Node) -> None:
        """Hang a node below this one."""
        if child.tokens in self.children:
            raise BrokenEngine(f"block {child.block} repeats one that is in the cache")
        self.children[child.tokens] = child
        insort(self._in_order, child.tokens)

    def drop(self, child: Node) -> None:
        """Take a node away from below this one."""
        del self.children[child.tokens]
        del self._in_order[bisect_left(self._in_order, child.tokens)]

    def find(self, wanted: Tokens) -> tuple[Node | None, int]:
        """Return the child with most first tokens in common, and how many these are."""
        same = self.children.get(wanted)
        if same is not None:
            return same, len(wanted)
        place = bisect_left(self._in_order, wanted)
        best: Tokens | None = None
        num_best = 0
        for tokens in self._in_order[max(place - 1, 0) : place + 1]:
            num_common = count_common(tokens, wanted)
            if num_common > num_best:
                best, num_best = tokens, num_common
        return (None if best is None else self.children[best]), num_best

    def find_covering(self, tokens: Tokens) -> Node | None:
        """Return a child that begins with all of some tokens, or None where there is none."""
        place = bisect_left(self._in_order, tokens)
        if place < len(self._in_order):
            found = self._in_order[place]
            if found[: len(tokens)] == tokens:
                return self.children[found]
        return None

    def find_covered(self, tokens: Tokens) -> list[Node]:
        """Return the children that are a beginning of some tokens, but not all of them."""
        found: list[Node] = []
        place = bisect_left(self._in_order, tokens)
        while place:
            before = self._in_order[place - 1]
            num_common = count_common(before, tokens)
            if num_common == len(before):
                found.append(self.children[before])
                place -= 1
            elif num_common:
                # A beginning of both stands before this one, and nothing between counts.
                place = bisect_right(self._in_order, tokens[:num_common])
            else:
                break
        return found

    def walk(self) -> Iterator[Node]:
        """Yield every node below, children before their parents."""
        # Without recursion: a long context is more blocks than Python has frames.
        below: list[Node] = []
        pending = [self]
        while pending:
            children = pending.pop().children.values()
            below += children
            pending += children
        return reversed(below)

    def find_problems(self, block_tokens: int) -> list[str]:
        """Return what is wrong with this node and the order of its children."""
        problems: list[str] = []
        if self._in_order != sorted(self.children):
            problems.append(f"children of block {self.block} are not in order")
        for tokens, child in self.children.items():
            if child.tokens != tokens or child.parent is not self:
                problems.append(f"block {child.block} hangs below the wrong one")
            if not 0 < len(tokens) <= block_tokens:
                problems.append(f"block {child.block} holds {len(tokens)} tokens")
            if len(tokens) < block_tokens and not child.is_leaf:
                problems.append(f"block {child.block} is partly filled and has a successor")
            if self.parent is not None and child.num_users > self.num_users:
                problems.append(f"block {child.block} is used without the one before it")
            if self.find_covered(tokens):
                problems.append(f"a block beside block {child.block} only repeats its beginning")
        return problems


def count_common(first: Tokens, second: Tokens) -> int:
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
