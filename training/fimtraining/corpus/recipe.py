"""What a corpus is made of: the recipe and the list of repositories, both TOML."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path


class RecipeError(Exception):
    """A recipe or a list of repositories does not say what it must."""


@dataclass(frozen=True, slots=True)
class Repository:
    """One source: where it comes from, at which commit, under which terms."""

    name: str
    """`owner/name`."""
    commit: str
    """Full commit id."""
    licence: str
    """SPDX identifier."""

    @property
    def directory(self) -> str:
        """Name of the clone's directory: the slash of `owner/name` becomes a plus sign."""
        return self.name.replace("/", "+")


@dataclass(frozen=True, slots=True)
class CorpusRecipe:
    """How to build one corpus."""

    name: str
    repositories: str
    """Path of the list of repositories, relative to the recipe."""
    languages: tuple[str, ...]
    validation_repositories: tuple[str, ...] = ()
    """`owner/name` of repositories held out whole for validation loss."""
    max_repository_bytes: int = 30_000_000
    """Bytes of text kept of one repository and language, so that no project dominates."""
    max_bytes: dict[str, int] = field(default_factory=dict)
    """Bytes of text kept per language; a language not named has no limit."""
    near_duplicate_threshold: float = 0.7
    """Jaccard similarity of 5-token shingles above which the later document is dropped."""
    seed: int = 20
    """Seed of the MinHash permutations and of the choice below the caps."""


def load_recipe(path: Path) -> CorpusRecipe:
    """Read a corpus recipe.

    Args:
        path: TOML file.

    Returns:
        The recipe, defaults filled in.

    Raises:
        RecipeError: If a key is unknown or a required one is missing.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {f.name for f in fields(CorpusRecipe)}
    if unknown := set(table) - known:
        raise RecipeError(f"{path}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
    for key in ("languages", "validation_repositories"):
        table[key] = tuple(table.get(key, ()))
    try:
        return CorpusRecipe(**table)
    except TypeError as error:
        raise RecipeError(f"{path}: {error}") from error


def load_repositories(path: Path) -> list[Repository]:
    """Read the list of repositories, in the order of the file.

    Args:
        path: TOML file.

    Returns:
        Repositories with commit and licence.

    Raises:
        RecipeError: If an entry lacks a field or a name stands twice.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        found = [Repository(**entry) for entry in table.get("repository", [])]
    except TypeError as error:
        raise RecipeError(
            f"{path}: an entry needs exactly name, commit, licence: {error}"
        ) from error
    names = [repository.name.lower() for repository in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecipeError(f"{path}: listed twice: {twice}")
    return found


def render_repositories(repositories: list[Repository]) -> str:
    """Return the TOML text of a list of repositories."""
    return "\n".join(
        f'[[repository]]\nname = "{r.name}"\ncommit = "{r.commit}"\nlicence = "{r.licence}"\n'
        for r in repositories
    )
