"""Suggestions that need no server because they were offered before."""

import pytest

from fimserve.lsp.completion_client import Suggestion
from fimserve.lsp.offers import MAX_OFFERS, OfferBook
from fimserve.lsp.surroundings import Surroundings

URI = "file:///w/a.py"
AROUND = Surroundings("x = ", "\n")
OFFERED = Suggestion("c1", "print(y)")


@pytest.fixture
def book() -> OfferBook:
    """Return a book that holds one offer."""
    book = OfferBook()
    book.add(URI, AROUND, OFFERED)
    return book


@pytest.mark.parametrize(
    ("prefix", "suffix", "rest"),
    [
        ("x = ", "\n", "print(y)"),
        ("x = pri", "\n", "nt(y)"),
        ("x = print(y)", "\n", None),  # nothing is left
        ("x = pra", "\n", None),
        ("x =", "\n", None),
        ("x = pri", ")\n", None),  # an editor that closes brackets
        ("y = pri", "\n", None),
    ],
)
def test_offer_holds_while_it_is_typed_along(
    book: OfferBook, prefix: str, suffix: str, rest: str | None
) -> None:
    around = Surroundings(prefix, suffix)
    found = book.find(URI, around)
    assert (found and found.rest_at(URI, around)) == rest


def test_offer_holds_in_its_document_only(book: OfferBook) -> None:
    assert book.find("file:///w/b.py", AROUND) is None


def test_same_text_at_the_same_place_keeps_its_name(book: OfferBook) -> None:
    assert book.add(URI, AROUND, Suggestion("c2", "print(y)")).completion_id == "c1"
    typed = Surroundings("x = pri", "\n")
    assert book.add(URI, typed, Suggestion("c3", "nt(y)")).completion_id == "c1"
    assert book.add(URI, typed, Suggestion("c4", "ority")).completion_id == "c4"


def test_accepted_offer_is_a_new_one_next_time(book: OfferBook) -> None:
    book.forget("c1")
    assert book.find(URI, AROUND) is None
    assert book.add(URI, AROUND, Suggestion("c2", "print(y)")).completion_id == "c2"


def test_newest_offers_are_kept(book: OfferBook) -> None:
    for number in range(MAX_OFFERS):
        book.add(URI, Surroundings(f"{number}", ""), Suggestion(f"n{number}", "text"))
    assert book.find(URI, AROUND) is None
    assert book.find(URI, Surroundings("0", "")) is not None
    book.forget_all()
    assert book.find(URI, Surroundings("0", "")) is None
