"""Fields from JSON: refusals that cost little, and repeat no code."""

import pytest

from fimserve.server.errors import BadRequest
from fimserve.server.parse import MAX_ENTRIES, parse_fields
from fimserve.server.routes.openai_fields import CompletionFields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("snippets", [1] * 500 + ["x"] * 501),
        ("snippets", [{"path": "a", "text": "b", "tags": [[], *["x"] * MAX_ENTRIES]}]),
        ("stop", [""] * (MAX_ENTRIES + 1)),
        ("logit_bias", {str(index): 1 for index in range(MAX_ENTRIES + 1)}),
        ("unknown", [[[None] * (MAX_ENTRIES + 1)]]),
    ],
)
def test_thousands_of_entries_are_refused_before_any_is_looked_at(
    field: str, value: object
) -> None:
    with pytest.raises(BadRequest, match=f"holds {MAX_ENTRIES + 1} entries") as caught:
        parse_fields(CompletionFields, {"prompt": "a", field: value})
    assert caught.value.param == field


def test_token_ids_may_come_in_thousands() -> None:
    assert parse_fields(CompletionFields, {"prompt": [5] * (MAX_ENTRIES + 1)})


@pytest.mark.parametrize(
    ("value", "shown"), [(["def secret(): 1"], "a list"), ({"secret": 1}, "an object")]
)
def test_what_should_be_text_and_is_not_is_not_repeated(value: object, shown: str) -> None:
    with pytest.raises(BadRequest, match=shown) as caught:
        parse_fields(CompletionFields, {"prompt": "a", "suffix": value})
    assert "secret" not in caught.value.message
