"""What is sent around the cursor, and where it is cut."""

import itertools

from fimserve.lsp.document import Document, Place
from fimserve.lsp.surroundings import (
    MAX_SUFFIX_CHARS,
    MAX_WARM_UP_CHARS,
    PREFIX_STEP_CHARS,
    find_surroundings,
    find_warm_up,
)


def make(text: str) -> Document:
    """Return a document of this text."""
    return Document("file:///w/a.py", text, "python")


def test_small_document_is_sent_whole_with_plain_line_ends() -> None:
    around = find_surroundings(make("a = 1\r\nb = \r\nc = 3\r\n"), Place(1, 4))
    assert around == ("a = 1\nb = ", "\nc = 3\n")


def test_chosen_menu_entry_stands_before_the_cursor() -> None:
    around = find_surroundings(make("x = pri\n"), Place(0, 4), Place(0, 7), "print")
    assert around == ("x = print", "\n")


def test_cut_before_the_cursor_stays_while_somebody_types() -> None:
    lines = [f"value_{number} = {number}" for number in range(8_000)]
    document = make("\n".join(lines))
    place = Place(6_000, len(lines[6_000]))
    prefixes = []
    for char in "  # and more":
        document.replace(place, place, char)
        place = Place(place.line, place.column + 1)
        prefixes.append(find_surroundings(document, place).prefix)
    for shorter, longer in itertools.pairwise(prefixes):
        assert longer[:-1] == shorter
    assert prefixes[0].startswith("value_")
    assert PREFIX_STEP_CHARS - 100 < len(prefixes[0]) <= 2 * PREFIX_STEP_CHARS


def test_cut_moves_at_most_once_in_a_step_of_text() -> None:
    document = make("".join(f"v{number} = {number}\n" for number in range(8_000)))
    firsts = set()
    for line in range(4_000, 6_000, 10):
        place = Place(line, 0)
        firsts.add(document.offset_of(place) - len(find_surroundings(document, place).prefix))
    num_chars = document.offset_of(Place(6_000, 0)) - document.offset_of(Place(4_000, 0))
    assert 1 <= len(firsts) <= num_chars // PREFIX_STEP_CHARS + 2


def test_one_endless_line_is_cut_inside() -> None:
    document = make("x" * 200_000)
    around = find_surroundings(document, Place(0, 150_000))
    assert PREFIX_STEP_CHARS <= len(around.prefix) <= 2 * PREFIX_STEP_CHARS
    assert len(around.suffix) == MAX_SUFFIX_CHARS


def test_warm_up_is_the_beginning_of_the_document() -> None:
    text = "line\n" * 10_000
    assert find_warm_up(make(text)) == (text[:MAX_WARM_UP_CHARS], "")
    assert find_warm_up(make("short\r\n")) == ("short\n", "")
