"""Which files a repository has: what git would commit, or a walk that minds `.gitignore`.

No program that a repository names is run: git is told to leave out its monitor and its hooks.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

__all__ = ["list_files"]

GIT_TIMEOUT_S = 30.0
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_LISTING = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
_NEVER = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__"})


def list_files(root: Path) -> list[str]:
    """Return the paths of a repository's files, ignored ones left out.

    Args:
        root: A folder, of a git repository or not.

    Returns:
        Paths below it with slashes, sorted. Some may be no files any more, or links.
    """
    listed = _list_by_git(root)
    return sorted(set(listed if listed is not None else _walk(root)))


def _list_by_git(root: Path) -> list[str] | None:
    """Return what git says; None where it cannot say it."""
    if not any((parent / ".git").exists() for parent in (root, *root.parents)):
        return None
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        told = subprocess.run(
            [*_GIT, *_LISTING],
            cwd=root,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            check=True,
            timeout=GIT_TIMEOUT_S,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return [os.fsdecode(path) for path in told.split(b"\0") if path]


def _walk(root: Path) -> Iterator[str]:
    from pathspec import GitIgnoreSpec

    ignoring: dict[str, list[tuple[str, GitIgnoreSpec]]] = {}
    for folder, folders, names in os.walk(root):  # links are not followed
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        specs = list(ignoring.get(os.path.dirname(inside) or ".", ())) if prefix else []
        if ".gitignore" in names:
            specs.append((prefix, GitIgnoreSpec.from_lines(_read_lines(Path(folder)))))
        ignoring[inside] = specs
        folders[:] = [
            name
            for name in sorted(folders)
            if name not in _NEVER and not _is_ignored(f"{prefix}{name}/", specs)
        ]
        for name in names:
            if not _is_ignored(prefix + name, specs):
                yield prefix + name


def _read_lines(folder: Path) -> list[str]:
    try:
        return (folder / ".gitignore").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _is_ignored(path: str, specs: "Sequence[tuple[str, GitIgnoreSpec]]") -> bool:
    verdict = False
    for prefix, spec in specs:
        # The nearest file that says anything decides.
        said = spec.check_file(path.removeprefix(prefix)).include
        verdict = verdict if said is None else bool(said)
    return verdict
