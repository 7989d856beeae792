"""What is remembered of sessions stays within its budget and with its tenant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.anchor import Anchor
from fimserve.engine.session_book import SESSION_BYTES, Session, SessionBook, SessionKey
from fimserve.engine.speculation import MAX_HISTORY_TOKENS

KEY = SessionKey("local", "main.py")


def test_a_session_is_found_again() -> None:
    book = SessionBook(1 << 20)
    book.open(KEY).remember([1, 2, 3])
    assert book.open(KEY).history == [1, 2, 3]


def test_tenants_share_no_session() -> None:
    book = SessionBook(1 << 20)
    book.open(KEY).remember([1, 2, 3])
    assert book.open(SessionKey("other", "main.py")).history == []


def test_without_a_key_nothing_is_kept() -> None:
    book = SessionBook(1 << 20)
    book.open(None).remember([1, 2, 3])
    assert len(book) == 0
    assert book.open(None).history == []


def test_what_is_kept_of_texts_counts_against_the_budget() -> None:
    book = SessionBook(1 << 20)
    session = book.open(KEY)
    before = session.num_bytes
    session.tokens.keep("x = 1\n", [7, 8])
    session.scans.above.scan("f(" * 100, "python")
    book.recount(KEY)
    assert book.num_bytes == session.num_bytes > before + 100 * len("f(")


def test_tenants_and_sessions_share_no_text() -> None:
    book = SessionBook(1 << 20)
    book.open(KEY).tokens.keep("secret\n", [7])
    assert book.open(SessionKey("other", KEY.session)).tokens.find("secret\n") is None
    assert book.open(SessionKey(KEY.tenant, "b.py")).tokens.find("secret\n") is None
    assert book.open(KEY).tokens.find("secret\n") == (7,)


def test_the_history_keeps_the_newest() -> None:
    session = Session()
    session.remember(range(MAX_HISTORY_TOKENS))
    session.remember([-1, -2])
    assert len(session.history) == MAX_HISTORY_TOKENS
    assert session.history[-2:] == [-1, -2]
    assert session.history[0] == 2


def test_the_least_recently_used_session_is_forgotten_first() -> None:
    book = SessionBook(3 * SESSION_BYTES)
    keys = [SessionKey("local", name) for name in "abc"]
    for key in keys:
        book.open(key)
    book.open(keys[0])
    book.open(SessionKey("local", "d"))
    assert len(book) == 3
    book.open(keys[0]).remember([1])
    assert book.open(keys[0]).history == [1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), max_size=60))
def test_no_order_of_use_exceeds_the_budget_but_for_one_large_session(
    uses: list[tuple[int, int]],
) -> None:
    book = SessionBook(4 * SESSION_BYTES)
    largest = 0
    for name, num_chars in uses:
        session = book.open(SessionKey("local", str(name)))
        session.anchor = Anchor("p" * num_chars, "")
        book.recount(SessionKey("local", str(name)))
        largest = max(largest, session.num_bytes)
        assert book.num_bytes <= max(4 * SESSION_BYTES, largest)
    book.clear()
    assert (len(book), book.num_bytes) == (0, 0)
