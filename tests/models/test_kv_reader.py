"""Whatever the order of the blocks, a reader gives the tokens in the order of the sequence."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from fimserve.models.kv_pool import KvPool
from fimserve.models.kv_reader import GatheringReader, RunReader, are_neighbours, plan_read
from models.test_kv_pool import make_pool

NUM_BLOCKS, BLOCK_TOKENS = 24, 4


def make_numbered_pool() -> KvPool:
    pool = make_pool(NUM_BLOCKS, BLOCK_TOKENS)
    pool.data.copy_(torch.arange(pool.data.numel()).view(pool.data.shape))
    return pool


@given(st.permutations(range(NUM_BLOCKS)) | st.just(list(range(NUM_BLOCKS))), st.data())
def test_tokens_come_in_order(blocks: list[int], data: st.DataObject) -> None:
    pool = make_numbered_pool()
    end = data.draw(st.integers(1, NUM_BLOCKS * BLOCK_TOKENS))
    first = data.draw(st.integers(0, end - 1))
    slots = [blocks[t // BLOCK_TOKENS] * BLOCK_TOKENS + t % BLOCK_TOKENS for t in range(first, end)]
    reader = plan_read(pool, blocks, first, end)
    for layer in range(3):
        keys, values = reader.read(layer)
        assert torch.equal(keys[0], pool.rows[layer, 0, slots].transpose(0, 1))
        assert torch.equal(values[0], pool.rows[layer, 1, slots].transpose(0, 1))


def test_neighbours_are_read_in_place_few_runs_joined_and_many_gathered() -> None:
    pool = make_numbered_pool()
    reader = plan_read(pool, [5, 6, 7], 2, 11)
    keys, _ = reader.read(1)
    assert keys.untyped_storage().data_ptr() == pool.data.untyped_storage().data_ptr()
    assert isinstance(plan_read(pool, [5, 6, 2, 3], 2, 15), RunReader)
    assert isinstance(plan_read(pool, list(range(0, 24, 2)), 0, 48), GatheringReader)


def test_only_rows_that_hold_tokens_are_read() -> None:
    pool = make_pool(NUM_BLOCKS, BLOCK_TOKENS)
    pool.data.fill_(math.nan)
    for blocks in ([3, 4, 5], [9, 10, 7], list(range(20, 0, -2))):
        end = len(blocks) * BLOCK_TOKENS - 3
        for token in range(2, end):
            pool.data[:, :, blocks[token // BLOCK_TOKENS], token % BLOCK_TOKENS] = 1.0
        keys, values = plan_read(pool, blocks, 2, end).read(0)
        assert (keys == 1.0).all()
        assert (values == 1.0).all()


def test_neighbours_follow_each_other_directly() -> None:
    assert are_neighbours([7])
    assert are_neighbours(range(3, 9))
    assert not are_neighbours([3, 5])
    assert not are_neighbours([4, 3])
