"""Write the list of repositories from a directory of clones: name, commit, licence as read."""

from pathlib import Path

from fimcurriculum.sources.clone import CloneError, find_git_dir, list_files, resolve_commit
from fimcurriculum.sources.licence_file import read_licence
from fimcurriculum.sources.licences import PERMISSIVE
from fimtraining.corpus.recipe import Repository


def scan_clones(clones: Path) -> tuple[list[Repository], dict[str, str]]:
    """Return the usable repositories of a directory and, for the others, why they are not.

    Args:
        clones: Directory whose entries are clones named `owner+name`.

    Returns:
        Repositories, and name -> reason.
    """
    usable: list[Repository] = []
    refused: dict[str, str] = {}
    for clone in sorted(p for p in clones.iterdir() if p.is_dir() and "+" in p.name):
        name = clone.name.replace("+", "/", 1)
        try:
            git_dir = find_git_dir(clone)
            commit = resolve_commit(git_dir)
            licence = read_licence(git_dir, list_files(git_dir, commit))
        except CloneError as error:
            refused[name] = str(error)
            continue
        if licence in PERMISSIVE:
            usable.append(Repository(name, commit, str(licence)))
        else:
            refused[name] = "no permissive licence file in the root"
    return usable, refused
