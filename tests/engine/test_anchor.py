"""The anchor stays while typing goes on and moves with any other edit."""

from __future__ import annotations

import pytest

from fimserve.engine.anchor import MAX_INCREMENT_CHARS, Anchor

ANCHOR = Anchor("def f():\n    ", "\n\nf()\n")


@pytest.mark.parametrize("typed", ["", "r", "return 数\n    "])
def test_typing_after_the_anchor_is_an_increment(typed: str) -> None:
    assert ANCHOR.increment_to(ANCHOR.prefix + typed, ANCHOR.suffix) == typed


@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        (ANCHOR.prefix[:-1], ANCHOR.suffix),
        ("def g():\n    x", ANCHOR.suffix),
        (ANCHOR.prefix + "x", ANCHOR.suffix + "more"),
        (ANCHOR.prefix + "x" * (MAX_INCREMENT_CHARS + 1), ANCHOR.suffix),
    ],
    ids=["deleted", "edited before", "edited after", "too much"],
)
def test_any_other_edit_is_none(prefix: str, suffix: str) -> None:
    assert ANCHOR.increment_to(prefix, suffix) is None
