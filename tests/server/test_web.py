"""The playground over HTTP: who gets the page, what its files carry, what is never served."""

import gzip
import re

import httpx
import pytest

from fimserve.server.routes import root, web
from fimserve.server.static_files import StaticFile, load_static_files
from support.asgi import request
from support.fake_engine import FakeEngine

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
FILES = load_static_files("fimserve.web")


def get(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    return request(
        FakeEngine(),
        method,
        path,
        headers={"accept-encoding": "identity"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/plain;q=0.5, text/html"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whoever_wants_a_page_gets_the_playground(accept: str, method: str) -> None:
    answer = get("/", method, accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert set(answer.headers["vary"].split(", ")) == {"accept", "accept-encoding"}
    assert answer.headers["cache-control"] == "no-cache"
    assert method == "HEAD" or "<title>Playground" in answer.text


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "",
        "application/json",
        "text/html;q=0",
        "text/plain, text/html;q=0.9",
        "text/html;q=x",
    ],
)
def test_programs_get_a_line_of_text(accept: str) -> None:
    answer = get("/", accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["vary"] == "accept"
    assert "<" not in answer.text


def policy_of(path: str) -> dict[str, str]:
    policy = get(path, accept=BROWSER).headers["content-security-policy"]
    return dict(part.split(" ", 1) for part in policy.split("; "))


@pytest.mark.parametrize("path", ["/", "/dashboard"])
def test_scripts_come_from_this_server_alone(path: str) -> None:
    policy = policy_of(path)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe-eval" not in " ".join(policy.values())


def test_the_dashboard_needs_no_inline_styles() -> None:
    assert policy_of("/dashboard")["style-src"] == "'self'"
    assert policy_of("/dashboard")["trusted-types"] == "'none'"


@pytest.mark.parametrize("path", ["/", "/dashboard"])
def test_a_page_names_only_files_of_this_server_that_exist(path: str) -> None:
    page = get(path, accept=BROWSER).text
    named = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert len(named) >= 6
    for address in named:
        if address.startswith("/web/"):
            assert get(address).status_code == 200
        else:
            assert address in ("/", "/dashboard", "#editor", "#status", "data:,")


@pytest.mark.parametrize(
    "file",
    [file for file in FILES.values() if not file.name.endswith(".html")],
    ids=lambda f: f.name,
)
def test_files_are_typed_and_kept_for_ever(file: StaticFile) -> None:
    answer = get(f"/web/{file.name}")
    assert answer.content == file.content
    assert answer.headers["content-type"] == file.media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]


def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    path = "/web/monaco-licence.txt"
    etag = get(path).headers["etag"]
    answer = get(path, if_none_match=f'"other", {etag}')
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == etag
    assert get(path, if_none_match='"other"').status_code == 200


def test_files_are_compressed_for_those_who_can_read_it() -> None:
    path = "/web/monaco-licence.txt"
    plain = get(path)
    packed = get(path, accept_encoding="br, gzip;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.content == plain.content  # httpx unpacks
    assert gzip.decompress(FILES["monaco-licence.txt"].gzipped) == plain.content
    assert "content-encoding" not in get(path, accept_encoding="gzip;q=0").headers


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "index.html",
        "dashboard.html",
        "nothing.js",
        "../__init__.py",
        "..%2f__init__.py",
        "%2e%2e/%2e%2e/pyproject.toml",
        "%2fetc%2fpasswd",
        "..\\__init__.py",
        "",
    ],
)
def test_nothing_but_the_listed_files_is_served(name: str) -> None:
    answer = get(f"/web/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_route"


def test_the_page_and_its_files_are_said_to_be_public() -> None:
    assert (*root.PUBLIC, *web.PUBLIC) == ("/", "/web/", "/dashboard")
