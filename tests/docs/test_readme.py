"""What README tells people to type exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "training/README.md", "eval/README.md"]
VERBS = ["setup", "serve", "demo", "test", "lint", "type", "bench", "eval", "plugin"]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", read("Makefile"), re.MULTILINE))


def test_makefile_has_every_verb() -> None:
    assert set(VERBS) <= targets()


@pytest.mark.parametrize("page", PAGES)
def test_make_verbs_of_the_page_exist(page: str) -> None:
    assert set(re.findall(r"`make ([a-z][a-z0-9-]*)", read(page))) <= targets()


@pytest.mark.parametrize("page", ["README.md", *PAGES[1:]])
def test_links_of_the_page_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", read(page))
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def test_commands_of_readme_exist() -> None:
    commands = set(
        re.findall(r"^(?:\$ )?(?:\.venv/bin/)?fimserve ([a-z]+)", read("README.md"), re.M)
    )
    assert {"complete", "serve"} <= commands
    for command in sorted(commands):
        done = subprocess.run(
            [sys.executable, "-m", "fimserve", command, "--help"], capture_output=True, check=False
        )
        assert done.returncode == 0


def test_ci_calls_only_make() -> None:
    lines = read(".ci/run").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make lint type test plugin-ci"]


@pytest.mark.parametrize("lock", ["requirements/serve.lock", "requirements/dev.lock"])
def test_lock_pins_releases_and_nothing_of_this_machine(lock: str) -> None:
    lines = read(lock).splitlines()
    assert len(lines) > 30
    wrong = [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert not wrong
