"""Idle sessions stay within their budget and with their tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.anchor import Anchor
from fimserve.engine.errors import BrokenEngine
from fimserve.engine.sequence import GROWTH_TOKENS, Sequence
from fimserve.engine.session_cache import Session, SessionCache, SessionKey
from fimserve.models import LoadedModel

A, B, C = (SessionKey("local", name) for name in "abc")


@pytest.fixture
def one(tiny_model: LoadedModel) -> int:
    """Bytes of a session of one growth step."""
    return make_session(tiny_model).num_bytes


def make_session(model: LoadedModel, steps: int = 1) -> Session:
    sequence = Sequence(model.model)
    sequence.reserve(steps * GROWTH_TOKENS)
    return Session(sequence)


def test_a_session_is_found_once(tiny_model: LoadedModel, one: int) -> None:
    cache, session = SessionCache(one), make_session(tiny_model)
    cache.put(A, session)
    assert cache.take(A) is session
    assert cache.take(A) is None
    assert (len(cache), cache.num_bytes) == (0, 0)


def test_tenants_do_not_share_a_session_of_the_same_name(tiny_model: LoadedModel, one: int) -> None:
    cache = SessionCache(4 * one)
    cache.put(SessionKey("alice", "main.py"), make_session(tiny_model))
    assert cache.take(SessionKey("bob", "main.py")) is None


def test_the_least_recently_used_session_goes_first(tiny_model: LoadedModel, one: int) -> None:
    cache = SessionCache(2 * one)
    cache.put(A, make_session(tiny_model))
    cache.put(B, make_session(tiny_model))
    again = cache.take(A)
    assert again is not None
    cache.put(A, again)
    cache.put(C, make_session(tiny_model))
    assert cache.take(B) is None
    assert cache.take(A) is again
    cache.check_integrity()


def test_a_session_larger_than_the_budget_is_not_kept(tiny_model: LoadedModel, one: int) -> None:
    cache = SessionCache(2 * one)
    cache.put(A, make_session(tiny_model, steps=3))
    assert (len(cache), cache.num_bytes) == (0, 0)


def test_putting_twice_counts_once(tiny_model: LoadedModel, one: int) -> None:
    cache = SessionCache(4 * one)
    cache.put(A, make_session(tiny_model))
    cache.put(A, make_session(tiny_model, steps=2))
    assert (len(cache), cache.num_bytes) == (1, 2 * one)


def test_the_anchor_counts_too(tiny_model: LoadedModel, one: int) -> None:
    session = make_session(tiny_model)
    session.anchor = Anchor("x" * 1000, "")
    assert session.num_bytes > one + 1000


def test_the_check_sees_a_wrong_count(tiny_model: LoadedModel, one: int) -> None:
    cache, session = SessionCache(4 * one), make_session(tiny_model)
    cache.put(A, session)
    cache.check_integrity()
    session.sequence.token_ids.append(1)
    with pytest.raises(BrokenEngine, match="differ in length"):
        cache.check_integrity()
    session.sequence.token_ids.clear()
    session.sequence.reserve(2 * GROWTH_TOKENS)
    with pytest.raises(BrokenEngine, match="counted are"):
        cache.check_integrity()


EVENTS = st.lists(
    st.tuples(st.sampled_from(["put", "take"]), st.sampled_from([A, B, C]), st.integers(1, 3)),
    max_size=40,
)


@given(events=EVENTS)
def test_no_order_of_events_breaks_the_budget(
    tiny_model: LoadedModel, events: list[tuple[str, SessionKey, int]]
) -> None:
    cache = SessionCache(4 * make_session(tiny_model).num_bytes)
    for event, key, steps in events:
        if event == "put":
            cache.put(key, make_session(tiny_model, steps))
        else:
            cache.take(key)
        cache.check_integrity()
    cache.clear()
    assert (len(cache), cache.num_bytes) == (0, 0)
