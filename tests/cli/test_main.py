"""The command itself: quick to start, its help page true, its mistakes explained."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fimserve import __version__
from fimserve.cli.main import COMMANDS, load_command
from support.cli import CommandLine

HEAVY = {
    "alembic",
    "fastapi",
    "fimeval",
    "httpx",
    "huggingface_hub",
    "numpy",
    "psycopg",
    "pydantic_settings",
    "sqlalchemy",
    "tokenizers",
    "torch",
    "transformers",
    "uvicorn",
}


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after running code."""
    report = "import sys; print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    loaded = modules_after("import fimserve")
    assert "fimserve" in loaded
    assert loaded & (HEAVY | {"typer", "rich"}) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["serve", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    loaded = modules_after(
        f"import sys; sys.argv = ['fimserve', *{arguments!r}]\n"
        "from fimserve.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_help_lists_every_command_with_its_own_first_line(fimserve: CommandLine) -> None:
    outcome = fimserve("--help")
    assert outcome.exit_code == 0
    for name, (_, summary) in COMMANDS.items():
        assert f" {name} " in outcome.stdout
        assert summary in outcome.stdout
        assert load_command(name).help.splitlines()[0] == summary


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_page(fimserve: CommandLine, name: str) -> None:
    outcome = fimserve(name, "--help")
    assert outcome.exit_code == 0
    assert f"fimserve {name}" in outcome.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_no_word_of_a_help_page_is_taken_for_markup(name: str) -> None:
    """Rich leaves out `[server]`, which it takes for a style."""
    pages = list(walk(load_command(name)))
    texts = [page.help or "" for page in pages]
    texts += [getattr(one, "help", None) or "" for page in pages for one in page.params]
    assert len(texts) > 1
    assert [text for text in texts if re.search(r"\[[a-z_.]+\]", text)] == []


def walk(command: Any) -> Iterator[Any]:
    """Yield a command and those below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from walk(below)


def test_version_is_that_of_the_distribution(fimserve: CommandLine) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert fimserve("--version").stdout == f"fimserve {__version__}\n"


def test_module_runs_like_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "fimserve", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"fimserve {__version__}\n"


@pytest.mark.parametrize("arguments", [["srve"], ["serve", "--prot", "1"], ["complete"]])
def test_wrong_use_ends_with_2(fimserve: CommandLine, arguments: list[str]) -> None:
    outcome = fimserve(*arguments)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert outcome.stderr
