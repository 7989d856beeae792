"""What the file says holds from the next request on, and a broken file lets nobody in."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fimserve.server.api_key import mint_key
from fimserve.server.key_file import KeyFile, KeyFileError
from fimserve.server.key_ring import KeyRing
from support.keys import add_key

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_found_by_its_text_alone(path: Path) -> None:
    text = add_key(path)
    ring = KeyRing(KeyFile(path))
    found = ring.find(text, NOW)
    assert found is not None
    assert found.tenant == "acme"
    wrong_secret = text[:-4] + ("aaaa" if text[-4:] != "aaaa" else "bbbb")
    for other in (wrong_secret, "", "sk-dummy", mint_key("x", "x", found.scopes).text):
        assert ring.find(other, NOW) is None


def test_keys_are_read_again_when_they_change(path: Path) -> None:
    alice = add_key(path, "alice")
    ring = KeyRing(KeyFile(path))
    bob = add_key(path, "bob")
    assert ring.find(bob, NOW) is not None
    assert len(ring) == 2
    KeyFile(path).change(lambda known: [key for key in known if key.name != "alice"])
    assert ring.find(alice, NOW) is None
    assert ring.find(bob, NOW) is not None


def test_an_expired_key_is_none(path: Path) -> None:
    minted = mint_key("alice", "acme", frozenset({"complete"}), NOW)
    KeyFile(path).change(lambda known: (minted.key,))
    ring = KeyRing(KeyFile(path))
    assert ring.find(minted.text, NOW) is None
    assert ring.find(minted.text, NOW - timedelta(seconds=1)) == minted.key


def test_a_broken_or_missing_file_lets_nobody_in_and_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = add_key(path)
    ring = KeyRing(KeyFile(path))
    good = path.read_text()
    path.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert ring.find(text, NOW) is None
    assert "nobody is let in" in caplog.text
    path.write_text(good + "\n")
    assert ring.find(text, NOW) is not None
    path.unlink()
    assert ring.find(text, NOW) is None


def test_a_service_does_not_start_on_a_broken_file(path: Path) -> None:
    with pytest.raises(KeyFileError):
        KeyRing(KeyFile(path))


def test_a_file_that_others_may_read_lets_nobody_in_until_its_mode_is_mended(path: Path) -> None:
    text = add_key(path)
    ring = KeyRing(KeyFile(path))
    assert ring.find(text, NOW)
    path.chmod(0o644)
    assert ring.find(text, NOW) is None
    path.chmod(0o600)
    assert ring.find(text, NOW)


def test_a_reading_that_failed_once_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = add_key(path)
    file = KeyFile(path)
    ring = KeyRing(file)
    path.touch()

    def fail(self: KeyFile) -> None:
        raise KeyFileError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "read", fail)
        assert ring.find(text, NOW) is None
        assert ring.find(text, NOW) is None
    assert caplog.text.count("too many open files") == 1
    assert ring.find(text, NOW)
