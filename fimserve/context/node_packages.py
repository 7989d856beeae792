"""The TypeScript compiler from npm: installed once per lock file into the user's cache.

No package's own scripts are run, and nothing is installed into a project.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

__all__ = ["FOLDER", "MIN_NODE", "NodeMissing", "find_node", "install_typescript"]

FOLDER = "typescript"
"""Folder of this room that holds the lock file and the program."""
MIN_NODE = 18
INSTALL_TIMEOUT_S = 120.0
MAX_TOLD_CHARS = 200
_MINOR = re.compile(
    r"npm (warn|error (code|errno|syscall|type)|ERR! (code|errno|syscall|type))", re.I
)


class NodeMissing(Exception):
    """Node, npm or the registry is not there; the message says which and what helps."""


def find_node() -> str:
    """Return the path of Node.

    Returns:
        The program.

    Raises:
        NodeMissing: If there is none, or an old one.
    """
    node = shutil.which("node")
    if node is None:
        raise NodeMissing(f"node is not on the PATH; install Node {MIN_NODE} or later")
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10)
        major = int(told.stdout.removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        raise NodeMissing(f"{node} does not tell its version") from None
    if major < MIN_NODE:
        raise NodeMissing(f"{node} is version {major}; install Node {MIN_NODE} or later")
    return node


def install_typescript() -> Path:
    """Return a folder with the TypeScript compiler in its `node_modules`; fetch it the first time.

    Returns:
        A folder of the user's cache.

    Raises:
        NodeMissing: If it is not there and cannot be fetched.
    """
    with as_file(files("fimserve.context") / FOLDER) as folder:
        lock = (folder / "package-lock.json").read_bytes()
        installed = _cache() / f"typescript-{hashlib.sha256(lock).hexdigest()[:16]}"
        if installed.is_dir():
            return installed
        if (npm := shutil.which("npm")) is None:
            raise NodeMissing("npm is not on the PATH; it fetches the TypeScript compiler once")
        try:
            _install(npm, folder, installed)
        except (OSError, subprocess.SubprocessError) as error:
            raise NodeMissing(
                f"npm could not fetch the TypeScript compiler ({_told(error)}); "
                "is the registry in reach?"
            ) from None
    return installed


def _install(npm: str, folder: Path, installed: Path) -> None:
    installed.parent.mkdir(parents=True, exist_ok=True)
    # Made aside and moved into place: a run that was broken off leaves nothing half installed.
    with tempfile.TemporaryDirectory(dir=installed.parent) as made:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, made)
        # By itself npm tries for 70 s to reach a registry, for each repository anew.
        quick = ["--fetch-retries=1", "--fetch-retry-mintimeout=2000"]
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *quick]
        subprocess.run(
            command, cwd=made, capture_output=True, check=True, timeout=INSTALL_TIMEOUT_S
        )
        staging = installed.with_suffix(f".{os.getpid()}")
        staging.mkdir()
        (Path(made) / "node_modules").rename(staging / "node_modules")
        try:
            staging.rename(installed)
        except OSError:  # another run was first
            shutil.rmtree(staging)


def _told(error: Exception) -> str:
    """Return what npm said of a failure, in one line, its warnings and codes left out."""
    said = getattr(error, "stderr", None) or b""
    lines = said.decode("utf-8", "replace").splitlines() if isinstance(said, bytes) else []
    told = (line.strip() for line in lines if line.strip() and not _MINOR.match(line))
    return next(told, type(error).__name__)[:MAX_TOLD_CHARS]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "fimserve" / "npm"
