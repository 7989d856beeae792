"""Packages from npm for tests with real clients: installed once per lock file, outside the tree.

A test that needs them is skipped, with the reason, where Node or the registry is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

INSTALL_TIMEOUT_S = 50.0
MIN_NODE = 18
"""First release with `fetch` of its own."""


def install_npm(folder: Path) -> Path:
    """Return a folder whose `node_modules` holds what a lock file pins; skip where that fails.

    No package's own scripts are run.

    Args:
        folder: Where package.json and package-lock.json are.

    Returns:
        A folder of the user's cache, the same one for the same lock file.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None or _node_major(node) < MIN_NODE:
        pytest.skip(f"needs Node {MIN_NODE} or later, with npm")
    lock = (folder / "package-lock.json").read_bytes()
    installed = _cache() / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if installed.is_dir():
        return installed
    installed.parent.mkdir(parents=True, exist_ok=True)
    # Made aside and moved into place: a run that was broken off leaves nothing half installed.
    with tempfile.TemporaryDirectory(dir=installed.parent) as made:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                command, cwd=made, capture_output=True, check=True, timeout=INSTALL_TIMEOUT_S
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip(f"npm could not install {folder.name}; is the registry in reach?")
        target = Path(made) / "node_modules"
        staging = installed.with_suffix(f".{os.getpid()}")
        staging.mkdir()
        target.rename(staging / "node_modules")
        try:
            staging.rename(installed)
        except OSError:  # another run was first
            shutil.rmtree(staging)
    return installed


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "fimserve-tests" / "npm"


def _node_major(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.removeprefix("v").partition(".")[0])
