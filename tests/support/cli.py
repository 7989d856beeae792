"""Runs the command line in this process, as a user would call it."""

import sys
from dataclasses import dataclass

import pytest

from fimserve.cli.main import run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


class CommandLine:
    """Calls `fimserve` with arguments.

    Args:
        monkeypatch: Sets the arguments.
        capture: Collects what is printed.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capture = capture

    def __call__(self, *arguments: object) -> Outcome:
        """Run one command.

        Args:
            *arguments: What follows `fimserve`.

        Returns:
            Its exit code and output.
        """
        self._monkeypatch.setattr(sys, "argv", ["fimserve", *map(str, arguments)])
        self._capture.readouterr()
        try:
            run()
            exit_code = 0
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        printed = self._capture.readouterr()
        return Outcome(exit_code, printed.out, printed.err)
