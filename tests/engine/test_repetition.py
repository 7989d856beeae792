"""Completions that go round in circles end where they began to, others do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.repetition import CharLoop, LineLoop
from support.completing import show

PYTHON = "python"


def check(document: str, written: str, shown: str, single_line: bool = False) -> None:
    for num_chars in (None, 1, 3):
        seen = show(document, written, PYTHON, single_line=single_line, num_chars=num_chars)
        assert seen.text == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\na = 1\n" * 1 + "a = 1\n" * 7, "\na = 1"),
        ("\n[0, 0, 0],\n[0, 0, 0],\n[0, 0, 0],\n", None),
        ("\n" + "a()\nb()\n" * 5, "\na()\nb()"),
        ("\n" + "a()\nb()\n" * 2, None),
        ("\n" + "a()\n\nb()\n\n" * 5, "\na()\n\nb()"),
        ("\nx = [" + "foo, bar, " * 12, "\nx = [foo, bar, foo, bar,"),
        ("\nx = '" + "=" * 60 + "'", None),
        ("\nx = [1, 2, 3, 4, 5, 6, 7, 8, 9]", None),
        ("\n# " + "very very long " * 3, None),
    ],
)
def test_a_loop_ends_where_it_began(written: str, shown: str | None) -> None:
    check("x = 0█", written, written.rstrip() if shown is None else shown)


def test_a_loop_in_a_single_line_ends_it() -> None:
    check("x = 0  # █", "no, " * 20, "no, no,", single_line=True)


@given(st.lists(st.sampled_from("abcd"), max_size=6), st.integers(1, 4), st.integers(3, 6))
@settings(max_examples=200, deadline=None)
def test_a_cycle_of_lines_is_found_and_its_first_turn_kept(
    before: list[str], size: int, num_turns: int
) -> None:
    cycle = [f"line {i}" for i in range(size)]
    watch = LineLoop()
    added = []
    for line in [*dict.fromkeys(before), *cycle * (num_turns + 1)]:
        watch.add(line)
        added.append(line)
        if watch.is_found:
            break
    assert watch.is_found
    assert added[: -watch.num_held] == [*dict.fromkeys(before), *cycle]


@given(st.lists(st.sampled_from(["a = 1", "b()", "", "c"]), max_size=30))
@settings(max_examples=200, deadline=None)
def test_lines_held_are_repeated_ones(lines: list[str]) -> None:
    watch = LineLoop()
    for num_added, line in enumerate(lines, start=1):
        watch.add(line)
        held = watch.num_held
        added = lines[:num_added]
        sizes = range(1, 5)
        assert not held or any(
            added[-held:] == added[-held - size : -size]
            for size in sizes
            if held + size <= num_added
        )
        if watch.is_found:
            break


@given(st.text("ab, x1", max_size=60))
@settings(max_examples=200, deadline=None)
def test_characters_held_repeat_what_is_before_them(line: str) -> None:
    watch = CharLoop()
    for num_added, char in enumerate(line, start=1):
        watch.add(char)
        assert 0 <= watch.num_held < num_added
    watch.add("\n")
    assert watch.num_held == 0
