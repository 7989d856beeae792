"""Real git repositories of a few files, made in milliseconds, bare or with a work tree."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (
        ("NAME", "Test"),
        ("EMAIL", "test@example.com"),
        ("DATE", "2024-01-01T00:00:00Z"),
    )
}
# What the user's own configuration says (hooks, signing, line ends) must not decide a test.
_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **_WHO}


def run_git(directory: Path, *arguments: str) -> str:
    """Return what a git command prints, run in a directory."""
    command = ["git", "-c", "init.defaultBranch=main", "-c", "commit.gpgSign=false", *arguments]
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | _ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def make_repository(
    directory: Path, files: Mapping[str, str | bytes], *, bare: bool = False
) -> str:
    """Commit files to a new repository.

    Args:
        directory: Where the clone shall be; absent so far.
        files: Path -> content.
        bare: Whether to leave a bare repository, with no work tree.

    Returns:
        The full id of the only commit.
    """
    work = directory.with_name(directory.name + ".work") if bare else directory
    work.mkdir(parents=True)
    run_git(work, "init", "--quiet")
    commit = commit_files(work, files)
    if bare:
        run_git(work.parent, "clone", "--quiet", "--bare", str(work), str(directory))
        shutil.rmtree(work)
    return commit


def commit_files(work: Path, files: Mapping[str, str | bytes]) -> str:
    """Write files into a work tree and return the id of the commit that adds them."""
    for path, content in files.items():
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    run_git(work, "add", "--all", "--force")
    run_git(work, "commit", "--quiet", "--message", "files")
    return run_git(work, "rev-parse", "HEAD")
