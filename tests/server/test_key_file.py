"""Nobody but the owner reads the keys, and no reader ever sees half a file."""

import json
import stat
import threading
from pathlib import Path

import pytest

from fimserve.server.api_key import mint_key
from fimserve.server.key_file import KeyFile, KeyFileError
from support.keys import add_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_keys_come_back_as_they_were(path: Path) -> None:
    minted = mint_key("alice", "acme", frozenset({"complete", "admin"}))
    KeyFile(path).change(lambda known: (*known, minted.key))
    assert KeyFile(path).read() == (minted.key,)


def test_the_file_is_the_owner_s_alone_and_holds_no_key(path: Path) -> None:
    text = add_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert text not in path.read_text()
    assert text[-16:] not in path.read_text()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    add_key(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        KeyFile(path).read()


def test_a_change_that_fails_leaves_the_file_and_no_other(path: Path) -> None:
    add_key(path)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        KeyFile(path).change(lambda known: (*known, 1 // 0))  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert {found.name for found in path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_change_is_another_state(path: Path) -> None:
    file = KeyFile(path)
    states = [file.state()]
    add_key(path, "alice")
    states.append(file.state())
    add_key(path, "bob")
    states.append(file.state())
    assert states[0] is None
    assert len(set(states)) == 3


def test_no_key_of_many_writers_is_lost(path: Path) -> None:
    threads = [threading.Thread(target=add_key, args=(path, f"key-{n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in KeyFile(path).read()} == {f"key-{n}" for n in range(12)}


@pytest.mark.parametrize(
    "change",
    [
        lambda content: "[]",
        lambda content: "{",
        lambda content: "\x00",
        lambda content: json.dumps(content | {"version": 2}),
        lambda content: json.dumps(content | {"hash": "plain"}),
        lambda content: json.dumps(content | {"keys": [{}]}),
        lambda content: json.dumps(content | {"keys": [content["keys"][0] | {"scopes": ["root"]}]}),
        lambda content: json.dumps(content | {"keys": [content["keys"][0] | {"digest": "xyz"}]}),
        lambda content: json.dumps(
            content | {"keys": [content["keys"][0] | {"created": "2026-01-01"}]}
        ),
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_name(path: Path, change: object) -> None:
    assert callable(change)
    add_key(path)
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(KeyFileError, match=r"keys\.json"):
        KeyFile(path).read()


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(KeyFileError, match="fimserve keys create"):
        KeyFile(path).read()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot write"):
        add_key(tmp_path / "nowhere" / "keys.json")
