"""Who may look at whom, against the rule written out token by token."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from fimserve.models.attention import make_causal_mask

CPU = torch.device("cpu")


@given(st.integers(1, 9), st.integers(0, 9), st.none() | st.integers(1, 20))
def test_the_mask_equals_the_rule(num_tokens: int, num_cached: int, window: int | None) -> None:
    mask = make_causal_mask(num_tokens, num_cached, CPU, window)
    num_all = num_cached + num_tokens
    rule = [
        [key <= query and (window is None or key > query - window) for key in range(num_all)]
        for query in range(num_cached, num_all)
    ]
    if mask is not None:
        assert mask.tolist() == rule
    elif num_tokens == 1:
        assert all(rule[0])
    else:  # plain causal attention, which the kernel knows by itself
        assert num_cached == 0
        assert rule == torch.ones(num_tokens, num_tokens, dtype=torch.bool).tril().tolist()


def test_no_mask_is_made_where_none_is_needed() -> None:
    assert make_causal_mask(5, 0, CPU) is None
    assert make_causal_mask(1, 9, CPU, window=10) is None
    assert make_causal_mask(1, 9, CPU, window=9) is not None
