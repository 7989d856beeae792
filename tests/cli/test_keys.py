"""Keys as an operator handles them: made, shown once, listed, revoked."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fimserve.cli.failure import UsageFailure
from fimserve.cli.keys import parse_expiry
from fimserve.server.key_file import KeyFile
from support.cli import CommandLine

NOW = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
def keys(fimserve: CommandLine) -> Path:
    """The file that the settings name, not made yet."""
    Path("fimserve.toml").write_text('[server]\nkeys = "keys.json"\n')
    return Path("keys.json")


def test_a_key_is_shown_once_and_alone(fimserve: CommandLine, keys: Path) -> None:
    made = fimserve("keys", "create", "alice-laptop", "--tenant", "acme")
    assert made.exit_code == 0
    text = made.stdout.strip()
    (key,) = KeyFile(keys).read()
    assert key.matches(text)
    assert (key.name, key.tenant, key.scopes) == ("alice-laptop", "acme", {"complete", "events"})
    assert text not in made.stderr
    assert text not in fimserve("keys", "list").stdout
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_tenant_is_the_name_unless_given(fimserve: CommandLine, keys: Path) -> None:
    fimserve("keys", "create", "alice")
    assert KeyFile(keys).read()[0].tenant == "alice"


def test_keys_are_listed_with_all_but_themselves(fimserve: CommandLine, keys: Path) -> None:
    fimserve("keys", "create", "alice", "--tenant", "acme")
    fimserve("keys", "create", "prometheus", "--scopes", "admin", "--expires", "90d")
    lines = fimserve("keys", "list").stdout.splitlines()
    assert lines[0].split() == ["id", "name", "tenant", "scopes", "created", "expires", "state"]
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["alice", "acme", "complete,events"],
        ["prometheus", "prometheus", "admin"],
    ]
    rows = [json.loads(line) for line in fimserve("keys", "list", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == ["alice", "prometheus"]
    assert rows[0]["expires"] == "never"
    assert rows[1]["state"] == "valid"


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_key_is_revoked_by_name_or_id(fimserve: CommandLine, keys: Path, by: str) -> None:
    for name in ("alice", "bob"):
        fimserve("keys", "create", name)
    alice = KeyFile(keys).read()[0]
    assert fimserve("keys", "revoke", getattr(alice, by)).exit_code == 0
    assert [key.name for key in KeyFile(keys).read()] == ["bob"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["create", "alice"], 1, "a key named 'alice' exists"),
        (["create", "bob", "--scopes", "root"], 2, "choose from complete, events, admin"),
        (["create", "b b"], 2, "name is 'b b'"),
        (["create", "bob", "--expires", "soon"], 2, "write 90d"),
        (["create", "bob", "--keys", "no/where.json"], 1, "cannot write"),
        (["revoke", "bob"], 1, "there is no key 'bob'"),
        (["list", "--keys", "nowhere.json"], 1, "does not exist"),
    ],
)
def test_mistakes_are_explained_and_change_nothing(
    fimserve: CommandLine, keys: Path, arguments: list[str], exit_code: int, words: str
) -> None:
    fimserve("keys", "create", "alice")
    before = keys.read_bytes()
    outcome = fimserve("keys", *arguments)
    assert outcome.exit_code == exit_code
    assert words in outcome.stderr
    assert not outcome.stdout
    assert keys.read_bytes() == before


def test_without_a_file_of_keys_it_says_where_to_name_one(fimserve: CommandLine) -> None:
    outcome = fimserve("keys", "create", "alice")
    assert outcome.exit_code == 2
    assert "--keys FILE" in outcome.stderr


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90d", datetime(2027, 2, 22, 12, tzinfo=UTC)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_days_or_a_date(text: str, time: datetime) -> None:
    assert parse_expiry(text, NOW) == time


@pytest.mark.parametrize("text", ["0d", "-1d", "90", "", "2026-11-24", "31.1.2027"])
def test_an_expiry_that_means_nothing_or_is_over_is_refused(text: str) -> None:
    with pytest.raises(UsageFailure, match="expires is"):
        parse_expiry(text, NOW)
