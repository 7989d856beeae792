"""What the tests of the command line share."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli import CommandLine
from support.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture
def fimserve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[CommandLine]:
    """Return the command line, in an empty directory and an environment without settings."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("FIMSERVE_"):
            monkeypatch.delenv(name)
    # Nothing answers here, whatever runs on this machine.
    monkeypatch.setenv("FIMSERVE_SERVER_PORT", "1")
    yield CommandLine(monkeypatch, capsys)
    # A command sends the log to the standard error of its process, which a test borrows.
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a tiny model."""
    return write_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")
