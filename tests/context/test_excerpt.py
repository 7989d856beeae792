"""What a snippet shows keeps the shape of the code: lines stand to each other as in their file."""

from hypothesis import given
from hypothesis import strategies as st

from fimserve.context.excerpt import dedent

LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "  ", "    ", "\t", "        "]), st.sampled_from(["", "x = 1"])
    ),
    max_size=12,
).map(lambda pairs: [indentation + code for indentation, code in pairs])


def test_a_window_that_begins_deeper_than_it_goes_on_keeps_its_blocks() -> None:
    window = ["        return data", "", "class Author:", "    def __init__(self):", "        pass"]
    assert dedent(window, range(5), 5) == "\n".join(window)


def test_what_is_indented_as_a_whole_is_moved_to_the_left() -> None:
    method = ["    def area(self):", "", "        return 1"]
    assert dedent(method, range(3), 3) == "def area(self):\n\n    return 1"
    assert dedent(method[:1], range(1), 9) == "def area(self):\n..."
    assert dedent([], (), 0) == ""


@given(lines=LINES)
def test_all_lines_lose_the_same(lines: list[str]) -> None:
    shown = dedent(lines, range(len(lines)), len(lines)).split("\n") if lines else []
    lost = {
        line[: len(line) - len(kept)]
        for line, kept in zip(lines, shown, strict=True)
        if line.strip()
    }
    assert len(lost) <= 1
    assert all(line.endswith(kept) for line, kept in zip(lines, shown, strict=True) if kept)
