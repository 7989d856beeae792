"""A local clone that is to be mined: its name, commit, licence and files."""

import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fimcurriculum.errors import MinerError
from fimcurriculum.sources.clone import (
    CloneError,
    TreeFile,
    find_git_dir,
    list_tree,
    resolve_commit,
)
from fimcurriculum.sources.languages import detect_language
from fimcurriculum.sources.licence_file import read_licence

__all__ = ["Repository", "SourceFile", "as_tree_files", "open_repository"]

UNKNOWN_LICENCE = "unknown"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a repository that is in one of the languages asked for."""

    path: str
    blob: str
    language: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone at a commit."""

    name: str
    git_dir: Path
    commit: str
    licence: str
    """SPDX identifier, or `unknown`."""
    files: tuple[SourceFile, ...]
    left_out: Counter[str]
    """Entries of the commit that are no readable file, by reason."""

    @property
    def file_name(self) -> str:
        """The name as a file's name."""
        return self.name.replace("/", "+")


def open_repository(clone: Path, revision: str, languages: tuple[str, ...]) -> Repository:
    """Read what a clone holds, without a check-out.

    Args:
        clone: Directory of the clone, bare or not; what is not committed is not seen.
        revision: Branch, tag or commit.
        languages: Languages asked for.

    Returns:
        The repository.

    Raises:
        MinerError: If there is no clone, or it lacks the revision.
    """
    try:
        git_dir = find_git_dir(clone)
        commit = resolve_commit(git_dir, revision)
        tree = list_tree(git_dir, commit)
        licence = read_licence(git_dir, tree.files)
    except CloneError as error:
        raise MinerError(str(error)) from error
    return Repository(
        name=_find_name(clone, git_dir),
        git_dir=git_dir.resolve(),
        commit=commit,
        licence=licence or UNKNOWN_LICENCE,
        files=tuple(
            SourceFile(file.path, file.blob, language, file.num_bytes)
            for file in tree.files
            if (language := detect_language(file.path)) in languages and language
        ),
        left_out=tree.left_out,
    )


def _find_name(clone: Path, git_dir: Path) -> str:
    """Return `owner/name` by the directory (`owner+name`), else by the remote, else its name."""
    name = clone.resolve().name.removesuffix(".git")
    if "+" in name:
        return name.replace("+", "/", 1)
    command = ["git", f"--git-dir={git_dir}", "config", "--get", "remote.origin.url"]
    url = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    parts = url.removesuffix("/").removesuffix(".git").replace(":", "/").split("/")
    return "/".join(parts[-2:]) if "://" in url or url.startswith("git@") else name


def as_tree_files(files: tuple[SourceFile, ...]) -> list[TreeFile]:
    """Return files as the reader of blobs wants them."""
    return [TreeFile(file.path, file.blob, file.num_bytes) for file in files]
