"""Settings that cannot work are refused where they are made."""

from dataclasses import replace

import pytest

from fimserve.server.settings import ServerSettings, ServerSettingsError


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("port", -1, "0 to 65535"),
        ("port", 65_536, "65536"),
        ("max_body_bytes", 0, "1 or more"),
        ("max_tokens", 0, "1 or more"),
        ("drain_s", -1, "0 or more"),
    ],
)
def test_impossible_value_is_refused_with_its_range(name: str, value: int, words: str) -> None:
    with pytest.raises(ServerSettingsError, match=words) as caught:
        replace(ServerSettings(), **{name: value})  # type: ignore[arg-type]
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:8111"), ("::1", "http://[::1]:8111")]
)
def test_url_is_what_a_client_on_this_machine_uses(host: str, url: str) -> None:
    assert ServerSettings(host=host).url == url
