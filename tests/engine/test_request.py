"""Requests refuse what no model could serve, naming value and limit."""

from __future__ import annotations

from typing import Any

import pytest

from fimserve.engine import CompletionRequest, InvalidRequest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", -1),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", -0.01),
        ("top_p", 1.01),
        ("top_p", float("nan")),
        ("seed", -1),
        ("seed", 2**64),
        ("deadline_ms", -1.0),
        ("deadline_ms", float("nan")),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: float) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(InvalidRequest, match=rf"{field} is {value}; use"):
        CompletionRequest("x", **fields)


def test_the_limits_themselves_are_accepted() -> None:
    low = CompletionRequest(
        "", "", max_tokens=0, temperature=0.0, top_p=0.0, seed=0, deadline_ms=0.0
    )
    high = CompletionRequest("", max_tokens=10**9, temperature=50.0, top_p=1.0, seed=2**64 - 1)
    assert (low.max_tokens, high.max_tokens) == (0, 10**9)
