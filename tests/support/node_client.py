"""Runs a script of tests/clients with Node and returns what it saw."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from support.npm import install_npm

CLIENTS = Path(__file__).parents[1] / "clients"


class NodeClient:
    """A real client package from npm; the running test is skipped where it cannot be had.

    Args:
        name: Its folder, with package.json, package-lock.json and ask.mjs.
    """

    def __init__(self, name: str) -> None:
        self._folder = install_npm(CLIENTS / name)
        # Beside node_modules, where imports look for packages.
        shutil.copy(CLIENTS / name / "ask.mjs", self._folder)

    def ask(self, url: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what the script wrote of each request: its `answer`, or the `error` thrown.

        Args:
            url: Address that the package is given.
            *requests: What its methods are given; one process asks them all, since some packages
                take seconds to load.
        """
        done = subprocess.run(
            ["node", "ask.mjs", url, *map(json.dumps, requests)],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
