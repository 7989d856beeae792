"""The routes, fields and caps that docs/protocol.md names exist, and its dialects lack none."""

import re
from pathlib import Path

import pytest

from fimserve.server.app import make_app
from fimserve.server.routes.openai_fields import CompletionFields
from fimserve.server.settings import ServerSettings
from support.fake_engine import FakeEngine

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
DIALECTS = {"openai", "deepseek", "mistral", "llama.cpp", "ollama", "tabby"}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def served() -> dict[tuple[str, str], set[str]]:
    """Return the tags of every route of the OpenAPI document by method and path."""
    return {
        (method.upper(), re.sub(r"/\{[^}]+\}", "/NAME", path)): set(operation.get("tags", ()))
        for path, operations in make_app(FakeEngine()).openapi()["paths"].items()
        for method, operation in operations.items()
    }


def named() -> set[tuple[str, str]]:
    """Return the routes of the page's table; `[/NAME]` stands for two."""
    found: set[tuple[str, str]] = set()
    for method, path in re.findall(r"`(GET|POST) ([^`]+)`", section("Routes")):
        found.add((method, path.replace("[/NAME]", "")))
        found.add((method, path.replace("[/NAME]", "/NAME")))
    return found


def test_every_route_of_the_page_is_served() -> None:
    assert len(named()) >= 14
    assert named() <= served().keys()


def test_every_route_of_the_page_s_dialects_is_named() -> None:
    ours = {route for route, tags in served().items() if tags & DIALECTS}
    assert ours <= named()


@pytest.mark.parametrize("setting", re.findall(r"`(max_\w+)`", section("Caps")))
def test_caps_are_settings_or_fields(setting: str) -> None:
    assert hasattr(ServerSettings(), setting)


def test_what_openai_s_dialect_honours_are_its_fields() -> None:
    honoured = section("OpenAI: what is honoured, ignored, refused").partition("*Honoured:*")[2]
    names = re.findall(r"`(\w+)`", honoured.partition("*Ignored*")[0])
    assert set(names) - {"background"} <= {"stream_options", *CompletionFields.model_fields}
    assert len(names) > 20
