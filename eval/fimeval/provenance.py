"""Where a number comes from: machine, versions, commit, command line, weights.

Reads only what is lying about (package metadata, /proc, git); starts no model and imports no torch.
"""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = ("fimserve", "torch", "triton", "numpy", "tokenizers")


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the versions that a step ran on."""

    python: str
    platform: str
    cpu: str
    num_cores: int
    """Cores that this process may use."""
    packages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Provenance:
    """When, where and by which command and commit a step was run."""

    date: str
    command: str
    commit: str | None
    """None where the code does not run from its own git checkout."""
    is_dirty: bool | None
    """Whether tracked files differ from the commit, lines added to eval/results apart."""
    environment: Environment


def describe_provenance() -> Provenance:
    """Return what is known of this process, its machine and its checkout."""
    commit, is_dirty = _describe_checkout(Path(__file__).resolve())
    return Provenance(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=describe_command(sys.argv),
        commit=commit,
        is_dirty=is_dirty,
        environment=Environment(
            python=platform.python_version(),
            platform=f"{platform.system()} {platform.machine()}",
            cpu=_find_cpu_name(),
            num_cores=_count_cores(),
            packages=_list_versions(PACKAGES),
        ),
    )


def describe_command(argv: list[str]) -> str:
    """Return the command line as one could type it; of absolute paths the last part is kept.

    Where somebody's files lie is nobody's business, and the data is known by its checksum.
    """
    # `python -m fimserve` is the same command.
    program = Path(argv[0]).name.replace("__main__.py", "fimserve")
    arguments = [Path(word).name if Path(word).is_absolute() else word for word in argv[1:]]
    return shlex.join([program, *arguments])


def hash_weights(directory: Path) -> str | None:
    """Return the SHA-256 of a checkpoint's safetensors files, joined in the order of their names.

    `cat *.safetensors | sha256sum` in that directory prints the same.

    Args:
        directory: A checkpoint directory.

    Returns:
        The hash in hexadecimal, or None where the directory holds no such file.
    """
    files = sorted(directory.glob("*.safetensors"))
    return hash_files(files) if files else None


def hash_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _describe_checkout(module: Path) -> tuple[str | None, bool | None]:
    # A virtual environment may lie inside some other project's checkout, whose commit says nothing
    # of this code: ask git for this very file.
    folder = module.parent
    if _run_git(folder, "ls-files", "--error-unmatch", module.name) is None:
        return None, None
    commit = _run_git(folder, "rev-parse", "HEAD")
    changes = _run_git(
        folder, "status", "--porcelain", "--untracked-files=no", "--",
        ":(top)", ":(top,exclude)eval/results",
    )  # fmt: skip
    return commit, None if changes is None else bool(changes)


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _find_cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _list_versions(packages: Iterable[str]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
