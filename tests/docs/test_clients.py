"""What docs/clients.md tells people to paste: parsed, and run where the client is here."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
TEXT = PAGE.read_text(encoding="utf-8")
URL = "http://127.0.0.1:8111"
WRITTEN = "3.14159 * r * r"
"""What the fake engine writes."""


class EmbeddedFake(FakeEngine):
    """A fake under the name that the page uses."""

    model_name = "embedded"


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert found, language
    return [str(block) for block in found]


CURLS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_in_thread(EmbeddedFake()) as served:
        yield served


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("line", CURLS)
def test_curl_lines_of_the_page_complete(url: str, line: str) -> None:
    done = subprocess.run(
        shlex.split(line.replace(URL, url)), capture_output=True, text=True, check=True, timeout=20
    )
    assert WRITTEN in json.dumps(json.loads(done.stdout))


@pytest.mark.parametrize("program", blocks("python"))
def test_python_programs_of_the_page_complete(url: str, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program.replace(URL, url)],
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )
    assert (done.stdout, done.returncode) == (f"{WRITTEN}\n", 0), done.stderr


def test_there_is_a_curl_line_for_every_dialect() -> None:
    assert len(CURLS) == 6


@pytest.mark.parametrize(("language", "parse"), [("json", json.loads), ("toml", tomllib.loads)])
def test_settings_of_the_page_parse_and_name_the_default_address(language: str, parse: Any) -> None:
    settings = [parse(block) for block in blocks(language)]
    assert any(URL in json.dumps(one) for one in settings)


def test_continue_s_settings_parse() -> None:
    models = [model for block in blocks("yaml") for model in yaml.safe_load(block)["models"]]
    assert {model["provider"] for model in models} == {"ollama", "mistral", "deepseek"}
    assert all(model["roles"] == ["autocomplete"] for model in models)
    assert all(model["apiBase"].endswith("/") for model in models)


def test_every_entry_says_how_it_is_known_to_work() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    clients = [section for section in sections if not section.startswith("What is not")]
    assert len(clients) >= 10
    for section in clients:
        assert re.match(r"[^\n]+\n+(Run|Replayed|By source)\b", section), section[:80]


def test_links_of_the_page_lead_somewhere() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    inside = {link.removeprefix("#") for link in links if link.startswith("#")}
    assert inside <= anchors
    files = [link for link in links if not link.startswith(("#", "http"))]
    assert all(PAGE.parent.joinpath(link).exists() for link in files)
