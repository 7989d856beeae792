"""Stop rules give the same text however it is cut, and never let a stop's start slip out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.stops import StopMatcher


def run(pieces: list[str], stops: list[str], single_line: bool = False) -> tuple[str, bool]:
    matcher = StopMatcher(stops, single_line)
    released = "".join(map(matcher.feed, pieces))
    return released + ("" if matcher.stopped else matcher.flush()), matcher.stopped


def run_naively(text: str, stops: list[str], single_line: bool) -> tuple[str, bool]:
    """Look at ever longer starts of the text until one ends with a stop; the longest counts."""
    for end in range(1, len(text) + 1):
        start = text[:end]
        reached = [stop for stop in stops if stop and start.endswith(stop)]
        if single_line and start.endswith("\n") and start[:-1].strip():
            reached.append("\n")
        if reached:
            return start[: -max(map(len, reached))], True
    return text, False


@st.composite
def cut_text(draw: st.DrawFn) -> list[str]:
    text = draw(st.text(alphabet="ab \n", max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=10)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(cut_text(), st.lists(st.text(alphabet="ab \n", max_size=4), max_size=4), st.booleans())
def test_any_cut_gives_what_the_naive_twin_gives(
    pieces: list[str], stops: list[str], single_line: bool
) -> None:
    assert run(pieces, stops, single_line) == run_naively("".join(pieces), stops, single_line)


def test_the_start_of_a_stop_is_held_back_until_it_is_none() -> None:
    matcher = StopMatcher(["\n\ndef"])
    assert [matcher.feed(piece) for piece in ["a\n", "\nde", "b", "\n"]] == ["a", "", "\n\ndeb", ""]
    assert matcher.flush() == "\n"


def test_nothing_follows_a_stop() -> None:
    matcher = StopMatcher(["END"])
    assert [matcher.feed(piece) for piece in ["xE", "ND tail", "more"]] == ["x", "", ""]
    assert matcher.stopped
    assert matcher.flush() == ""


@pytest.mark.parametrize(
    ("pieces", "text", "stopped"),
    [
        (["return x", "\n", "y"], "return x", True),
        (["\n", "  ", "\n", "  x\ny"], "\n  \n  x", True),
        (["  \n"], "  \n", False),
        (["x"], "x", False),
    ],
)
def test_a_single_line_ends_at_the_first_line_end_after_text(
    pieces: list[str], text: str, stopped: bool
) -> None:
    assert run(pieces, [], single_line=True) == (text, stopped)


def test_empty_stops_are_ignored() -> None:
    assert run(["abc"], ["", ""]) == ("abc", False)
