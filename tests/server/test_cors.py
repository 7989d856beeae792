"""A page of a named origin may ask with whatever headers its package adds; refusals are logged."""

import logging

import pytest

from fimserve.server.settings import ServerSettings
from support.asgi import request
from support.fake_engine import FakeEngine

PAGE = "https://editor.example"
SETTINGS = ServerSettings(cors_origins=(PAGE,))
STAINLESS = (
    "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,"
    "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
    "x-stainless-runtime-version,x-stainless-timeout"
)
"""What the package `openai` sends from a browser."""


def ask_before(origin: str, headers: str, method: str = "POST") -> tuple[int, str]:
    """Return status and allowed headers of a preflight."""
    answer = request(
        FakeEngine(),
        "OPTIONS",
        "/v1/completions",
        SETTINGS,
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": headers,
        },
    )
    return answer.status_code, answer.headers.get("access-control-allow-headers", "")


def test_the_headers_of_openai_s_package_are_allowed() -> None:
    status, allowed = ask_before(PAGE, STAINLESS)
    assert status == 200
    assert set(STAINLESS.split(",")) <= set(allowed.split(","))


@pytest.mark.parametrize(
    ("origin", "method"), [("https://evil.example", "POST"), (PAGE, "PATCH"), ("null", "POST")]
)
def test_a_refused_preflight_is_logged(
    origin: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fimserve.server")
    assert ask_before(origin, "authorization", method)[0] == 400
    (line,) = [r.getMessage() for r in caplog.records if r.name == "fimserve.server.cors"]
    assert origin in line
    assert method in line


def test_an_origin_cannot_write_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fimserve.server")
    ask_before("https://evil.example/\t" + "a" * 500, "authorization")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "fimserve.server.cors"]
    assert "\t" not in line
    assert len(line) < 150


def test_a_page_that_sends_all_the_same_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fimserve.server")
    headers = {"origin": "https://evil.example"}
    body = {"prompt": "x"}
    answer = request(FakeEngine(), "POST", "/v1/completions", SETTINGS, json=body, headers=headers)
    assert answer.status_code == 403
    assert any("evil.example" in r.getMessage() for r in caplog.records)
