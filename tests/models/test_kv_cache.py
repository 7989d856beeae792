"""The cache grows, is cut, and never shows what is not valid."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fimserve.models import KvCache, LlamaConfig

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


def make_cache(capacity: int) -> KvCache:
    return KvCache(CONFIG, capacity, torch.float32, torch.device("cpu"))


def make_step(num_tokens: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = torch.randn(2, 2, num_tokens, 4, generator=generator)
    return keys, values


def append_step(cache: KvCache, num_tokens: int, seed: int) -> None:
    for layer in range(3):
        cache.append(layer, *make_step(num_tokens, seed + layer))
    cache.advance(num_tokens)


def test_appended_tokens_follow_the_valid_ones() -> None:
    cache = make_cache(8)
    append_step(cache, 5, seed=0)
    keys, values = cache.append(1, *make_step(2, seed=9))
    expected_keys = torch.cat((make_step(5, 1)[0], make_step(2, 9)[0]), dim=1)
    expected_values = torch.cat((make_step(5, 1)[1], make_step(2, 9)[1]), dim=1)
    assert torch.equal(keys, expected_keys)
    assert torch.equal(values, expected_values)
    assert cache.length == 5, "not valid before advance"


def test_growing_keeps_what_is_valid() -> None:
    cache = make_cache(4)
    append_step(cache, 4, seed=0)
    before = cache.data.clone()
    cache.reserve(10)
    assert cache.capacity == 10
    assert torch.equal(cache.data[..., :4, :], before)
    cache.reserve(3)
    assert cache.capacity == 10


def test_cut_tokens_are_overwritten() -> None:
    cache = make_cache(6)
    append_step(cache, 6, seed=0)
    cache.truncate(2)
    append_step(cache, 3, seed=20)
    keys, _ = cache.append(0, *make_step(1, seed=5))
    expected = torch.cat((make_step(6, 0)[0][:, :2], make_step(3, 20)[0], make_step(1, 5)[0]), 1)
    assert torch.equal(keys, expected)


def test_bytes_are_those_of_the_memory_held() -> None:
    assert make_cache(7).num_bytes == 3 * 2 * 2 * 7 * 4 * 4
    assert make_cache(0).num_bytes == 0


def test_too_many_tokens_are_refused() -> None:
    cache = make_cache(4)
    append_step(cache, 3, seed=0)
    with pytest.raises(ValueError, match="5 tokens do not fit in a cache of 4"):
        cache.append(0, *make_step(2, seed=0))


@pytest.mark.parametrize("length", [-1, 4])
def test_a_cut_beyond_the_end_is_refused(length: int) -> None:
    cache = make_cache(4)
    append_step(cache, 3, seed=0)
    with pytest.raises(ValueError, match=f"cannot cut a cache of 3 tokens to {length}"):
        cache.truncate(length)
