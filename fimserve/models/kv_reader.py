"""How the keys and values of one sequence are read from the pool: in place, joined, or gathered.

Decided once per step, read once per layer. Neighbouring blocks are read in place: measured on 2
cores, gathering 1300 tokens of one layer costs as much as attending to them (36-135 us against
66 us). Only rows that hold tokens are ever touched. Knows nothing of queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from fimserve.models.kv_pool import KvPool

MAX_RUNS = 8
"""Runs of neighbouring blocks up to which their views are joined; above, rows are gathered."""


class KvReader(Protocol):
    """Reads the tokens of one sequence."""

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of a layer, each [1, Hkv, S, D]."""


class RunReader:
    """Reads runs of neighbouring slots: one in place, several joined.

    Args:
        pool: Memory of keys and values.
        runs: First slot and number of slots of each run.
    """

    def __init__(self, pool: KvPool, runs: Sequence[tuple[int, int]]) -> None:
        layers, _, _, heads, head_dim = pool.rows.shape
        self._runs = [
            pool.rows.narrow(2, first, length)
            .transpose(2, 3)
            .view(2 * layers, 1, heads, length, head_dim)
            .unbind(0)
            for first, length in runs
        ]  # per run 2 * L views [1, Hkv, S, D]

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of a layer, each [1, Hkv, S, D]."""
        if len(self._runs) == 1:
            views = self._runs[0]
            return views[2 * layer], views[2 * layer + 1]
        keys = torch.cat([views[2 * layer] for views in self._runs], dim=2)
        values = torch.cat([views[2 * layer + 1] for views in self._runs], dim=2)
        return keys, values


class GatheringReader:
    """Reads scattered slots one by one.

    Args:
        pool: Memory of keys and values.
        slots: [S] int64 on the pool's device.
    """

    def __init__(self, pool: KvPool, slots: Tensor) -> None:
        self._rows, self._slots = pool.rows, slots

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of a layer, each [1, Hkv, S, D]."""
        gathered = self._rows[layer].index_select(1, self._slots).transpose(1, 2)  # [2, Hkv, S, D]
        return gathered[:1], gathered[1:]


def plan_read(pool: KvPool, blocks: Sequence[int], first: int, end: int) -> KvReader:
    """Return the cheapest reader of some tokens of a sequence.

    Args:
        pool: Memory of keys and values.
        blocks: Block table of the sequence.
        first: First token to read.
        end: Token behind the last.

    Returns:
        A reader of end - first tokens.
    """
    size = pool.block_tokens
    first_block = first // size
    used = blocks[first_block : (end - 1) // size + 1]
    offset = first - first_block * size
    if are_neighbours(used):
        return RunReader(pool, [(used[0] * size + offset, end - first)])
    runs = _find_runs(used)
    if len(runs) <= MAX_RUNS:
        return RunReader(pool, _cut(runs, size, offset, end - first))
    table = torch.tensor(used, dtype=torch.int64)
    slots = (table[:, None] * size + torch.arange(size)).flatten()[offset : offset + end - first]
    return GatheringReader(pool, slots.to(pool.rows.device))


def are_neighbours(blocks: Sequence[int]) -> bool:
    """Return whether each block directly follows the one before it."""
    return list(blocks) == list(range(blocks[0], blocks[0] + len(blocks)))


def _find_runs(blocks: Sequence[int]) -> list[tuple[int, int]]:
    """Return first block and length of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and block == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((block, 1))
    return runs


def _cut(
    runs: Sequence[tuple[int, int]], block_tokens: int, offset: int, num_tokens: int
) -> list[tuple[int, int]]:
    """Return first slot and length of each run, without what lies before and behind the tokens."""
    slots: list[tuple[int, int]] = []
    for first_block, num_blocks in runs:
        length = min(num_blocks * block_tokens - offset, num_tokens)
        slots.append((first_block * block_tokens + offset, length))
        num_tokens -= length
        offset = 0
    return slots
