"""What editors may set, and what they are told when they set it wrong."""

from pathlib import Path
from typing import Any

import pytest

from fimserve.lsp.options import LspOptions, merge_options

BASE = LspOptions(url="http://127.0.0.1:8111", api_key="secret-1")


def test_everything_can_be_set() -> None:
    given = {
        "url": "https://code.example/v1",
        "apiKey": " secret-2\n".strip(),
        "model": "ours",
        "multiline": False,
        "maxTokens": 128,
        "languages": {"*": False, "python": True},
        "context": False,
        "events": False,
    }
    merged = merge_options(BASE, given, is_start=True)
    assert merged.problems == ()
    assert merged.options == LspOptions(
        "https://code.example/v1",
        "secret-2",
        "ours",
        False,
        128,
        given["languages"],  # type: ignore[arg-type]
        False,
        False,
    )
    assert merged.options.base_url == "https://code.example"


@pytest.mark.parametrize("given", [None, {}, {"fimserve": {}}, {"fimserve": {"url": None}}])
def test_nothing_given_changes_nothing(given: object) -> None:
    assert merge_options(BASE, given, is_start=False) == (BASE, ())


def test_options_under_our_name_are_ours() -> None:
    given = {"fimserve": {"maxTokens": 9}, "python": {"maxTokens": 1}}
    assert merge_options(BASE, given, is_start=False).options.max_tokens == 9


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"maxTokns": 1}, "unknown option 'maxTokns'; did you mean maxTokens?"),
        ({"zzz": 1}, "known: url, apiKey"),
        ({"maxTokens": 0}, "maxTokens is not a number from 1 to 512"),
        ({"maxTokens": True}, "maxTokens is not"),
        ({"url": "file:///etc/passwd"}, "url is not an address"),
        ({"url": "http://user:pass@host"}, "url is not an address"),
        ({"url": "http://host:99999"}, "url is not an address"),
        ({"url": 5}, "url is not an address"),
        ({"multiline": "yes"}, "multiline is not true or false"),
        ({"languages": {"python": 1}}, "languages is not an object"),
        ({"apiKey": "two\nlines"}, "apiKey is not a text on one line"),
        ({"apiKeyFile": "/no/where"}, "cannot read the API key file: No such file"),
        ("http://x", "options are no object"),
        ({"fimserve": 1}, "fimserve is no object"),
    ],
)
def test_mistake_is_said_and_left_out(given: Any, words: str) -> None:
    merged = merge_options(BASE, given, is_start=True)
    assert merged.options == BASE
    assert len(merged.problems) == 1
    assert words in merged.problems[0]


def test_one_mistake_leaves_the_others_alone() -> None:
    merged = merge_options(BASE, {"maxTokens": "x", "multiline": True}, is_start=True)
    assert merged.options.multiline is True
    assert len(merged.problems) == 1


def test_no_message_repeats_a_key() -> None:
    merged = merge_options(BASE, {"apiKey": "secret-3\n", "apiKy": "secret-3"}, is_start=True)
    assert "secret" not in "".join(merged.problems)
    assert "secret" not in repr(merged.options)


def test_key_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("secret-4\n")
    merged = merge_options(BASE, {"apiKeyFile": str(file)}, is_start=True)
    assert merged.options.api_key == "secret-4"


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff\xfe"])
def test_file_without_a_key_is_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    merged = merge_options(BASE, {"apiKeyFile": str(file)}, is_start=True)
    assert merged == (BASE, ("the API key file holds no key",))


def test_key_does_not_follow_to_another_host() -> None:
    merged = merge_options(BASE, {"url": "http://elsewhere.example"}, is_start=False)
    assert merged.options.api_key is None
    assert "the API key is not sent there" in merged.problems[0]
    with_key = {"url": "http://elsewhere.example", "apiKey": "theirs"}
    assert merge_options(BASE, with_key, is_start=False).options.api_key == "theirs"
    same_host = {"url": "http://127.0.0.1:8111/v1"}
    assert merge_options(BASE, same_host, is_start=False).options.api_key == "secret-1"


def test_settings_that_come_later_pick_no_file_to_send(tmp_path: Path) -> None:
    file = tmp_path / "private"
    file.write_text("private")
    given = {"url": "http://elsewhere.example", "apiKeyFile": str(file)}
    merged = merge_options(BASE, given, is_start=False)
    assert merged.options.api_key is None
    assert "apiKeyFile is read at the start only; it is ignored" in merged.problems


@pytest.mark.parametrize(
    ("languages", "language", "is_on"),
    [
        ({}, "python", True),
        ({"python": False}, "python", False),
        ({"*": False}, "python", False),
        ({"*": False, "python": True}, "python", True),
    ],
)
def test_languages_are_on_unless_said_otherwise(
    languages: dict[str, bool], language: str, is_on: bool
) -> None:
    assert LspOptions(languages=languages).is_on_for(language) is is_on
