"""Secrets and addresses go, the code around them stays code.

The secrets are put together here, so that no file of the repository holds the shape of one.
"""

import ast
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimcurriculum.sources.scrub import entropy_bits, scrub

LETTERS_AND_DIGITS = string.ascii_letters + string.digits


def draw(alphabet: str, count: int) -> str:
    return "".join(random.Random(count).choices(alphabet, k=count))


TOKENS = {
    "aws": "AKIA" + draw(string.ascii_uppercase + string.digits, 16),
    "github": "ghp_" + draw(LETTERS_AND_DIGITS, 36),
    "github fine-grained": "github_pat_" + draw(LETTERS_AND_DIGITS + "_", 60),
    "gitlab": "glpat-" + draw(LETTERS_AND_DIGITS, 20),
    "slack": "xoxb-" + draw(string.digits, 12),
    "google": "AIza" + draw(LETTERS_AND_DIGITS, 35),
    "stripe": "sk_live_" + draw(LETTERS_AND_DIGITS, 24),
    "openai": "sk-" + draw(LETTERS_AND_DIGITS, 48),
    "npm": "npm_" + draw(LETTERS_AND_DIGITS, 36),
    "pypi": "pypi-" + draw(LETTERS_AND_DIGITS, 60),
    "web token": ".".join(f"eyJ{draw(LETTERS_AND_DIGITS, n)}" for n in (20, 40)) + "." + "x" * 20,
}
RANDOM_VALUE = draw(LETTERS_AND_DIGITS, 40)
PRIVATE_KEY = "\n".join(
    (
        "-----BEGIN RSA PRIVATE KEY-----",
        draw(LETTERS_AND_DIGITS, 64),
        "-----END RSA PRIVATE KEY-----",
    )
)


@pytest.mark.parametrize("kind", TOKENS)
def test_token_is_replaced(kind: str) -> None:
    secret = TOKENS[kind]
    found = scrub(f'client = connect("{secret}")\n')
    assert found.text == 'client = connect("REDACTED")\n'
    assert (found.num_emails, found.num_secrets) == (0, 1)


@pytest.mark.parametrize(
    "assignment",
    [
        'password = "{}"',
        "SECRET_KEY = '{}'",
        '"api_key": "{}"',
        "apiKey: '{}'",
        'access_key="{}"',
        'AUTH_TOKEN := "{}"',
        'token == "{}"',
    ],
)
def test_random_value_of_a_telling_name_is_replaced(assignment: str) -> None:
    found = scrub(assignment.format(RANDOM_VALUE))
    assert found.text == assignment.format("REDACTED")
    assert found.num_secrets == 1


def test_private_key_is_replaced_whole() -> None:
    found = scrub(f'KEY = """{PRIVATE_KEY}"""\nvalue = 1\n')
    assert found.text == 'KEY = """REDACTED"""\nvalue = 1\n'
    assert found.num_secrets == 1


@pytest.mark.parametrize(
    "address",
    ["jane.doe@uni-town.de", "a+b@mail.sub.domain.org", "X_1%y@example.co", "root@host.museum"],
)
def test_address_is_replaced(address: str) -> None:
    found = scrub(f"# Author: Jane <{address}>, 2024\n")
    assert found.text == "# Author: Jane <user@example.com>, 2024\n"
    assert (found.num_emails, found.num_secrets) == (1, 0)


def test_every_address_is_counted() -> None:
    assert scrub("a@b.org, c@d.org and e@f.org").num_emails == 3


ORDINARY = (
    "token = get_token()\n",
    'password = "changeme"\n',
    'password = os.environ["DATABASE_PASSWORD"]\n',
    'auth_url = "https://example.org/oauth2/authorize?client=1"\n',
    'api_key = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"\n',
    'token_name = "kubernetes_service_account"\n',
    "@app.route\ndef index(): ...\n",
    "@dataclass(frozen=True)\n",
    "product = weights @ inputs.T\n",
    "product = weights@inputs.T\n",
    'pattern = "^[^@]+@[^@]+$"\n',
    "import { Component } from '@angular/core'\n",
    "docker run image@sha256:abc\n",
    "class AKIANumber: pass\n",
    "task_sk_live = risk_test_mode\n",
    'digest = "d41d8cd98f00b204e9800998ecf8427e"\n',
    "const eyJson = parse(eyJson.body)\n",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_code_is_left_alone(text: str) -> None:
    assert scrub(text) == (text, 0, 0)


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,40}", fullmatch=True), st.text(max_size=19))
def test_identifiers_and_short_values_are_left_alone(name: str, value: str) -> None:
    text = f"{name} = {value.replace('@', '')!r}\n"
    assert scrub(text).text == text


SOURCE = f'''
"""Written by someone@somewhere.net."""
EMAIL = "me@home.org"
KEY = """{PRIVATE_KEY}"""
LINES = (
    "-----BEGIN PRIVATE KEY-----\\n"
    "{draw(LETTERS_AND_DIGITS, 64)}\\n"
    "-----END PRIVATE KEY-----\\n"
)
SETTINGS = {{"secret_key": "{RANDOM_VALUE}", 'password': '{draw(LETTERS_AND_DIGITS, 30)}'}}
TOKENS = {list(TOKENS.values())}


def login(user, password="{draw(LETTERS_AND_DIGITS, 24)}"):  # ask x@y.org
    return f"{{user}}@host", password
'''


def test_scrubbed_code_still_parses_to_the_same_names() -> None:
    found = scrub(SOURCE)
    assert shape_of(found.text) == shape_of(SOURCE)
    assert (found.num_emails, found.num_secrets) == (3, 2 + 2 + len(TOKENS) + 1)
    for secret in (*TOKENS.values(), RANDOM_VALUE, "PRIVATE KEY", "somewhere", "home.org"):
        assert secret not in found.text


def shape_of(source: str) -> list[str]:
    """Return the kinds of syntax and the names of a module, without its strings' contents."""
    return [
        f"{type(node).__name__} {getattr(node, 'id', '') or getattr(node, 'name', '')}"
        for node in ast.walk(ast.parse(source))
    ]


def test_second_scrubbing_changes_nothing() -> None:
    once = scrub(SOURCE).text
    assert scrub(once).text == once


@settings(deadline=None)
@given(st.text())
def test_entropy_lies_between_none_and_that_of_all_different_characters(value: str) -> None:
    bits = entropy_bits(value)
    assert 0 <= bits <= max(0, (len(value) - 1).bit_length()) + 1e-9


def test_entropy_of_known_strings() -> None:
    assert entropy_bits("") == 0
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abab") == pytest.approx(1)
    assert entropy_bits("abcdefgh") == pytest.approx(3)
