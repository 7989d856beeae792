"""Read files of one commit from a local git clone, bare or not, without a work tree.

One `git ls-tree` lists, one `git cat-file --batch` streams contents: no checkout, no network, and
nothing of the repository is ever executed.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A partial clone lacks blobs and would fetch them when asked. The second variable is for git before
# 2.44, which does not know the first and then fails instead.
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": ""}


class CloneError(Exception):
    """A clone is missing, or git cannot read the commit asked for."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One regular file of a commit."""

    path: str
    blob: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Tree:
    """What a commit holds."""

    files: list[TreeFile] = field(default_factory=list)
    """Regular files, in git's order."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What cannot be read: `link`, `submodule`, `blob_absent` -> entries."""


def find_git_dir(clone: Path) -> Path:
    """Return the git directory of a clone, which may be bare, checked out, or one level down.

    Args:
        clone: Directory of the clone; a further work tree or a submodule names its git directory
            in a file.

    Returns:
        A directory with HEAD and objects, or one that git finds the objects from.

    Raises:
        CloneError: If no git directory is found.
    """
    for candidate in (clone, clone / ".git", clone / "repo", clone / "repo" / ".git"):
        if (candidate / "HEAD").is_file() and (candidate / "objects").is_dir():
            return candidate
    if (named := _read_git_file(clone / ".git")) is not None:
        return named
    raise CloneError(f"{clone} holds no git directory; clone the repository there first")


def _read_git_file(file: Path) -> Path | None:
    """Return the git directory that a work tree's `.git` file names, None where there is none."""
    if not file.is_file():
        return None
    head, _, name = file.read_text(encoding="utf-8", errors="replace").strip().partition(": ")
    directory = file.parent / name
    return directory if head == "gitdir" and (directory / "HEAD").is_file() else None


def _git(git_dir: Path, *arguments: str) -> bytes:
    command = ["git", f"--git-dir={git_dir}", *arguments]
    done = subprocess.run(command, env=os.environ | _OFFLINE, capture_output=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise CloneError(f"git {' '.join(arguments)} failed in {git_dir}: {reason}")
    return done.stdout


def resolve_commit(git_dir: Path, revision: str = "HEAD") -> str:
    """Return the full commit id of a revision; a CloneError where there is none."""
    try:
        return _git(git_dir, "rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    except CloneError:
        raise CloneError(f"{git_dir} has no commit {revision}; name another revision") from None


def list_files(git_dir: Path, commit: str) -> list[TreeFile]:
    """List the regular files of a commit; links and submodules are left out."""
    return list_tree(git_dir, commit).files


def list_tree(git_dir: Path, commit: str) -> Tree:
    """List a commit, and count what in it is no file that can be read."""
    listing = _git(git_dir, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    tree = Tree()
    for entry in listing.split(b"\0"):
        if not entry:
            continue
        head, _, path = entry.partition(b"\t")
        mode, kind, blob, size = head.split()
        if kind != b"blob":
            tree.left_out["submodule"] += 1
        elif mode not in (b"100644", b"100755"):
            tree.left_out["link"] += 1
        elif not size.isdigit():
            # git prints "BAD" as the size of a blob that a partial clone lacks.
            tree.left_out["blob_absent"] += 1
        else:
            tree.files.append(TreeFile(path.decode("utf-8", "replace"), blob.decode(), int(size)))
    return tree


def read_blobs(git_dir: Path, files: Sequence[TreeFile]) -> Iterator[tuple[TreeFile, bytes]]:
    """Yield each file with its content, in order; a blob the clone lacks is left out.

    Args:
        git_dir: Git directory of the clone.
        files: Files as `list_files` names them.

    Yields:
        tuple[TreeFile, bytes]: File and content.

    Raises:
        CloneError: If git stops early, say at a damaged blob.
    """
    command = ["git", f"--git-dir={git_dir}", "cat-file", "--batch"]
    # Chunks keep the request below the pipe's buffer, so neither side can block on the other.
    for start in range(0, len(files), 256):
        chunk = files[start : start + 256]
        request = "".join(f"{file.blob}\n" for file in chunk).encode()
        with subprocess.Popen(
            command, env=os.environ | _OFFLINE, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise CloneError("git cat-file has no pipes")
            process.stdin.write(request)
            process.stdin.close()
            for file in chunk:
                header = process.stdout.readline().split()
                if len(header) != 3:  # "<blob> missing"
                    continue
                content = process.stdout.read(int(header[2]))
                process.stdout.read(1)
                yield file, content
            if process.wait() != 0:
                raise CloneError(f"git cat-file failed in {git_dir}; see its message above")
