"""The pool is memory in blocks: its size is known beforehand, and tokens are copied exactly."""

from __future__ import annotations

import math

import pytest
import torch

from fimserve.models import KvPool, LlamaConfig

CONFIG = LlamaConfig.from_dict(
    {
        "model_type": "llama",
        "vocab_size": 10,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "test",
)


def make_pool(num_blocks: int = 5, block_tokens: int = 4) -> KvPool:
    return KvPool(CONFIG, num_blocks, block_tokens, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_budget_of_bytes_becomes_blocks(dtype: torch.dtype) -> None:
    pool = KvPool(CONFIG, 7, 4, dtype, torch.device("cpu"))
    assert pool.num_bytes == 7 * KvPool.block_bytes(CONFIG, 4, dtype)
    assert pool.num_bytes == 3 * 2 * 7 * 4 * 2 * 4 * dtype.itemsize


def test_rows_are_the_same_memory_by_slot() -> None:
    pool = make_pool()
    pool.data.zero_()
    pool.rows[1, 0, 2 * 4 + 3] = 1.0
    assert (pool.data[1, 0, 2, 3] == 1.0).all()
    assert pool.data.sum() == 2 * 4


def test_the_first_tokens_are_copied_in_all_layers_and_nothing_else() -> None:
    pool = make_pool()
    pool.data.copy_(torch.arange(pool.data.numel()).view(pool.data.shape))
    before = pool.data.clone()
    pool.copy_tokens(source_block=3, target_block=1, num_tokens=2)
    assert torch.equal(pool.data[:, :, 1, :2], before[:, :, 3, :2])
    pool.data[:, :, 1, :2] = before[:, :, 1, :2]
    assert torch.equal(pool.data, before)


def test_garbage_behind_the_tokens_is_not_copied() -> None:
    pool = make_pool()
    pool.data.fill_(math.nan)
    pool.data[:, :, 0, :3] = 1.0
    pool.data[:, :, 2] = 2.0
    pool.copy_tokens(0, 2, 3)
    assert not pool.data[:, :, 2].isnan().any()


@pytest.mark.parametrize(("source", "target", "num_tokens"), [(5, 0, 1), (0, -1, 1), (0, 1, 5)])
def test_what_does_not_exist_is_not_copied(source: int, target: int, num_tokens: int) -> None:
    with pytest.raises(ValueError, match=r"is none of 5 blocks|no part of a block of 4"):
        make_pool().copy_tokens(source, target, num_tokens)
