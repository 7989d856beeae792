"""Tokens and cache stay together, and what is reused gives the same scores."""

from __future__ import annotations

import torch

from fimserve.engine.sequence import GROWTH_TOKENS, Sequence
from fimserve.models import LoadedModel
from support.tiny_checkpoint import VOCAB_SIZE


def make_ids(count: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    ids: list[int] = torch.randint(VOCAB_SIZE, (count,), generator=generator).tolist()
    return ids


def test_a_kept_prefix_gives_the_scores_of_a_fresh_start(tiny_model: LoadedModel) -> None:
    old, new = make_ids(300), make_ids(200) + make_ids(60, seed=1)
    reused, fresh = Sequence(tiny_model.model), Sequence(tiny_model.model)
    reused.extend(old)
    kept = reused.keep_common_prefix(new)
    assert kept == 200
    torch.testing.assert_close(reused.extend(new[kept:]), fresh.extend(new), atol=1e-4, rtol=0)
    assert reused.token_ids == fresh.token_ids == new
    assert reused.is_consistent


def test_the_last_token_is_always_computed_anew(tiny_model: LoadedModel) -> None:
    ids = make_ids(20)
    sequence = Sequence(tiny_model.model)
    sequence.extend(ids)
    assert sequence.keep_common_prefix(ids) == 19
    assert sequence.keep_common_prefix(ids[:5]) == 4
    assert sequence.keep_common_prefix(ids[:1]) == 0
    assert sequence.token_ids == []


def test_memory_grows_by_little_more_than_needed(tiny_model: LoadedModel) -> None:
    sequence = Sequence(tiny_model.model)
    assert sequence.num_bytes == 0
    sequence.extend(make_ids(3))
    one_step = sequence.num_bytes
    config = tiny_model.config
    per_token = config.num_layers * 2 * config.num_kv_heads * config.head_dim * 4
    assert one_step == GROWTH_TOKENS * per_token
    sequence.reserve(GROWTH_TOKENS + 1)
    assert sequence.num_bytes == 2 * one_step


def test_growing_keeps_what_was_computed(tiny_model: LoadedModel) -> None:
    ids = make_ids(GROWTH_TOKENS + 40)
    grown, whole = Sequence(tiny_model.model), Sequence(tiny_model.model)
    grown.extend(ids[:100])
    grown.reserve(4 * GROWTH_TOKENS)
    torch.testing.assert_close(grown.extend(ids[100:]), whole.extend(ids), atol=1e-4, rtol=0)
