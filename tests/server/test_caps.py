"""No dialect gets past the operator's caps: too much is refused by name, lengths are cut."""

from dataclasses import replace
from typing import Any

import pytest

from fimserve.engine import CompletionRequest
from fimserve.prompt import Snippet
from fimserve.server.caps import apply_caps
from fimserve.server.errors import BadRequest
from fimserve.server.settings import ServerSettings

SETTINGS = ServerSettings(
    max_prefix_chars=6, max_suffix_chars=5, max_context_chars=10, max_snippets=1, max_stops=2,
    max_stop_chars=3, max_choices=2, max_tokens=8,
)  # fmt: skip
ASKED = CompletionRequest(prefix="123456", suffix="1234", stop=("abc", "d"), n=2, max_tokens=8)


def test_what_is_just_within_every_cap_passes_unchanged() -> None:
    assert apply_caps(ASKED, SETTINGS) == ASKED


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        ({"prefix": "1234567"}, "before the cursor: 7; the limit is 6", "context_length_exceeded"),
        ({"suffix": "123456"}, "behind the cursor: 6; the limit is 5", "context_length_exceeded"),
        ({"suffix": "12345"}, "text and snippets: 11; the limit is 10", "context_length_exceeded"),
        ({"snippets": (Snippet("", "x"),)}, "and snippets: 11", "context_length_exceeded"),
        ({"suffix": "", "snippets": (Snippet("", ""),) * 2}, "Snippets: 2", "invalid_value"),
        ({"stop": ("a", "b", "c")}, "Stop strings: 3", "invalid_value"),
        ({"stop": ("abcd",)}, "stop string: 4", "invalid_value"),
        ({"n": 3}, "asked for: 3", "invalid_value"),
    ],
)
def test_what_goes_past_a_cap_is_refused_with_value_and_limit(
    change: dict[str, Any], words: str, code: str
) -> None:
    with pytest.raises(BadRequest, match=words) as caught:
        apply_caps(replace(ASKED, **change), SETTINGS)
    assert caught.value.code == code


def test_a_length_that_is_too_generous_is_cut() -> None:
    asked = replace(ASKED, max_tokens=100, min_tokens=50)
    capped = apply_caps(asked, SETTINGS)
    assert (capped.max_tokens, capped.min_tokens) == (8, 8)
