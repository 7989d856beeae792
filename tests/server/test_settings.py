"""Settings that cannot work are refused where they are made."""

from dataclasses import replace
from pathlib import Path

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
        ("key_requests_per_s", float("nan"), "0 or more"),
        ("body_timeout_s", 0.0, "0.1 or more"),
        ("tls_key", Path("key.pem"), "TLS needs both"),
        ("cors_origins", ("*",), "https://host:port"),
        ("cors_origins", ("https://a.example/",), "https://host:port"),
        ("cors_origins", ("null",), "https://host:port"),
        ("log_format", "xml", "text, json"),
        ("log_level", "INFO", "debug, info"),
    ],
)
def test_impossible_value_is_refused_with_its_range(name: str, value: int, words: str) -> None:
    with pytest.raises(ServerSettingsError, match=words) as caught:
        replace(ServerSettings(), **{name: value})  # type: ignore[arg-type]
    assert name.partition("_")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:8111"), ("::1", "http://[::1]:8111")]
)
def test_url_is_what_a_client_on_this_machine_uses(host: str, url: str) -> None:
    assert ServerSettings(host=host).url == url
