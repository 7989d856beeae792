"""What is found for a place: definitions by name and import, similar text, budgets, no leaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.context import RepositoryIndex, Snippet, estimate_tokens, find_snippets
from support.notation import fim

UTILS = "def double(x):\n    return x * 2\n\n\ndef halve(x):\n    return x / 2\n"
SHAPES = (
    "class Square:\n    def __init__(self, side):\n        self.side = side\n\n"
    "    def area(self):\n        return self.side ** 2\n"
)
FILES = {"pkg/utils.py": UTILS, "pkg/shapes.py": SHAPES, "other/utils.py": "def double(y): ...\n"}


def _known(source: str) -> tuple[str, None, str]:
    prefix, suffix = fim(source)
    return prefix, None, suffix


def find(source: str, files: dict[str, str] | None = None, path: str = "pkg/main.py") -> list[str]:
    """Return path and first line of what is found for a cursor."""
    prefix, suffix = fim(source)
    index = RepositoryIndex(FILES if files is None else files)
    found = find_snippets(index, path, prefix, None, suffix)
    return [f"{snippet.path}: {snippet.text.partition(chr(10))[0]}" for snippet in found]


def test_imported_name_finds_the_file_it_is_imported_from() -> None:
    found = find("from pkg.utils import double\n\nprint(double(█\n")
    assert found[0] == "pkg/utils.py: def double(x):"
    assert "other/utils.py: def double(y): ..." not in found


def test_relative_import_and_alias_are_followed() -> None:
    found = find("from .utils import double as twice\n\nprint(twice(█\n")
    assert found[0] == "pkg/utils.py: def double(x):"


def test_name_of_a_library_finds_nothing_of_the_same_name_here() -> None:
    place = "from numpy import double\n\nprint(double(█\n"
    found = find_snippets(RepositoryIndex(FILES), "pkg/main.py", *_known(place))
    assert [snippet for snippet in found if snippet.reason == "definition"] == []


def test_middle_decides_which_symbols_are_looked_up() -> None:
    prefix = "from pkg.utils import double, halve\n\nprint("
    found = find_snippets(RepositoryIndex(FILES), "pkg/main.py", prefix, "halve(3)", ")\n")
    assert found[0] == Snippet("pkg/utils.py", "def halve(x):\n    return x / 2", "definition")


def test_text_that_reads_alike_is_found_without_any_name_in_common_with_imports() -> None:
    files = {"a.py": "total_price = net_price * (1 + tax_rate)\nprint(total_price, tax_rate)\n"}
    assert find("tax_rate = 0.19\nnet_price = 3\n█\n", files)[0].startswith("a.py: total_price")


def test_own_file_is_never_a_source() -> None:
    files = {"pkg/main.py": UTILS, "pkg/other.py": "x = 1\n"}
    assert find("def f(x):\n    return double(█\n", files) == []


@pytest.mark.parametrize("max_tokens", [0, 10, 30, 60, 200])
def test_budget_holds_with_paths_counted(max_tokens: int) -> None:
    prefix = "from pkg.utils import double, halve\nfrom pkg.shapes import Square\n\nprint("
    found = find_snippets(
        RepositoryIndex(FILES),
        "pkg/main.py",
        prefix,
        "double(halve(Square(2).area()))",
        ")\n",
        max_tokens,
    )
    used = sum(estimate_tokens(s.path) + estimate_tokens(s.text) for s in found)
    assert used <= max_tokens
    assert bool(found) == (max_tokens >= 30)


WORDS = st.sampled_from(["double", "halve", "area", "Square", "x", "side", "return", "total"])
LINES = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" + ".join), min_size=1, max_size=8)


@given(middle=LINES, before=LINES, around=LINES, copies=st.integers(1, 3))
def test_no_snippet_holds_the_middle(
    middle: list[str], before: list[str], around: list[str], copies: int
) -> None:
    text = "\n".join(middle)
    files = {
        f"copy{number}.py": "\n".join([*before, *(f"  {line}" for line in middle), *around])
        for number in range(copies)
    }
    index = RepositoryIndex({**FILES, **files})
    found = find_snippets(index, "main.py", "\n".join(before) + "\n", text, "\n".join(around))
    squeezed = "".join(text.split())
    for snippet in found:
        assert squeezed.isidentifier() or squeezed not in "".join(snippet.text.split())
