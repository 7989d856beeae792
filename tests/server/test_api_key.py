"""A key is known by its text alone, and its text is nowhere to be found."""

from datetime import UTC, datetime, timedelta

import pytest

from fimserve.server.api_key import ApiKeyError, Scope, mint_key, read_key_id

COMPLETE: frozenset[Scope] = frozenset({"complete"})


def test_a_key_matches_its_own_text_and_no_other() -> None:
    one, other = (mint_key("alice", "acme", COMPLETE) for _ in range(2))
    assert one.key.matches(one.text)
    assert not one.key.matches(other.text)
    assert not one.key.matches(one.text[:-1])
    assert not one.key.matches("")
    assert not one.key.matches("\ud83d")


def test_what_is_kept_does_not_hold_the_text() -> None:
    minted = mint_key("alice", "acme", COMPLETE)
    secret = minted.text.rpartition("_")[2]
    assert secret not in repr(minted.key)
    assert len(minted.key.digest) == 32


def test_the_public_id_stands_in_the_text() -> None:
    minted = mint_key("alice", "acme", COMPLETE)
    assert read_key_id(minted.text) == minted.key.id


@pytest.mark.parametrize("text", ["", "sk-dummy", "fim_short_x", "fim_0123456789ab_" + "é" * 43])
def test_what_has_not_a_key_s_form_has_no_id(text: str) -> None:
    assert read_key_id(text) is None


def test_keys_differ_in_everything_secret() -> None:
    minted = [mint_key("alice", "acme", COMPLETE) for _ in range(50)]
    for part in (
        {one.text for one in minted},
        {one.key.id for one in minted},
        {one.key.salt for one in minted},
        {one.key.digest for one in minted},
    ):
        assert len(part) == 50


def test_a_key_expires_on_the_second() -> None:
    end = datetime(2027, 1, 31, tzinfo=UTC)
    key = mint_key("alice", "acme", COMPLETE, end).key
    assert not key.is_expired(end - timedelta(seconds=1))
    assert key.is_expired(end)
    assert not mint_key("alice", "acme", COMPLETE).key.is_expired(end)


@pytest.mark.parametrize(
    ("name", "tenant", "scopes", "words"),
    [
        ("", "acme", {"complete"}, "name is ''"),
        ("al\nice", "acme", {"complete"}, "name is"),
        ("alice", "ac me", {"complete"}, "tenant is 'ac me'"),
        ("alice", "acme", set(), "scopes are"),
        ("alice", "acme", {"complete", "root"}, "choose from complete, events, admin"),
    ],
)
def test_labels_that_are_no_good_in_a_log_are_refused(
    name: str, tenant: str, scopes: set[Scope], words: str
) -> None:
    with pytest.raises(ApiKeyError, match=words):
        mint_key(name, tenant, frozenset(scopes))
