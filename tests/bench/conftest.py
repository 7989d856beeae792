"""Every test of the benches runs in an empty directory: none may write beside the sources."""

from pathlib import Path

import pytest

from support.cli import CommandLine


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the repository for the length of a test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fimserve(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Run `fimserve ...` as if typed, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    return CommandLine(monkeypatch, capsys)
