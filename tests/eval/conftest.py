"""Every test of evaluation runs in an empty directory, its subprocesses too.

`fimserve eval` publishes whole runs to `eval/results` of the current directory: started from the
repository, a test would leave the numbers of a made-up model there.
"""

from pathlib import Path

import pytest

from support.cli import CommandLine


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the repository for the length of a test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fimserve(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Give the command line, wide enough that no table wraps."""
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(monkeypatch, capsys)
