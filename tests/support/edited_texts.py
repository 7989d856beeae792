"""Strategies for source code as it is typed: texts of telling fragments, and edits of them."""

from hypothesis import strategies as st

FRAGMENTS = (
    *("\n", "\n\n", "\n    ", "\n\t", "\n    \n", "\r\n", "\r", "\n \t ", " ", "  ", "        "),
    *("def f(x):", "return", "value", "x", "camelCase", "a.b", " = ", "->", "==", "//", "#"),
    *("'s", "'ll", "don't", "'", '"', "'''", '"""', "\\", "\\\n", "{", "}", "(", ")", "[", "];"),
    *("`", "/*", "*/", "*", "0", "42", "3.14", "1e9", "_", "$", "!!!"),
    *("<|fim_middle|>", "</s>", "<table>", "é", "e\u0301", "\u0301", "größe", "õ", "÷"),
    *("数", "한글", "\u1100\u1161", "😀", "👩\u200d👩\u200d👧", "ſ", "٣", "Ⅷ", "…"),
    *("\u00a0", "\u2028", "\u0085", "\u3000", "\x0b", "\x0c", "\x1c", "\x00", "\u200b", "\ufeff"),
    *("\u2260", "<\u0338", "\n\u0338", "\n\u0301x"),
)
"""What pre-tokenizers, normalisation and the rules about strings and comments treat apart."""

PIECES = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3))
TEXTS = st.lists(PIECES, max_size=60).map("".join)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.lists(PIECES, max_size=3).map("".join)),
    max_size=6,
)
"""Where in a text, how many characters go, and what comes in their place."""


def apply_edit(text: str, edit: tuple[float, int, str]) -> str:
    """Return a text with one of `EDITS` done to it."""
    place, num_removed, added = edit
    start = int(place * len(text))
    return text[:start] + added + text[start + num_removed :]
