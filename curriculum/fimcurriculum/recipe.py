"""What to mine: languages, limits, shares; defaults for everything, TOML for the rest."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from fimcurriculum.errors import RecipeError
from fimcurriculum.schema import Kind
from fimcurriculum.syntax.grammars import GRAMMAR_LANGUAGES, query_digest

__all__ = ["Definitions", "MiningRecipe", "load_recipe"]

Definitions = Literal["body", "whole"]

EXTRACTION_VERSION = 3
"""Grows when the code finds other spans in the same file; all files are then mined again."""


@dataclass(frozen=True, slots=True)
class MiningRecipe:
    """How spans are found and chosen."""

    languages: tuple[str, ...] = GRAMMAR_LANGUAGES
    kinds: tuple[str, ...] = tuple(kind.value for kind in Kind)
    definitions: Definitions = "body"
    """What is cut out of a function or class: what is between its brackets, or all of it."""
    min_chars: int = 3
    max_chars: int = 2000
    max_lines: int = 20
    max_per_kind_and_file: int = 3
    """Spans of one kind that one file may give; random ones count like any kind."""
    max_per_kind_and_repository: int = 400
    max_prefix_chars: int = 6000
    max_suffix_chars: int = 3000
    max_snippet_tokens: int = 1024
    """Budget of the snippets of one example; 0 asks for none."""
    project_definitions: bool = False
    """Whether the TypeScript compiler and jedi look for definitions, instead of names alone."""
    near_duplicate_file: float = 0.7
    """Jaccard similarity of 5-token shingles above which the later file is dropped."""
    near_duplicate_span: float = 0.8
    """The same for spans of one kind with the lines around them."""
    validation_share: float = 0.1
    validation_repositories: tuple[str, ...] = ()
    """Held out whole; where named, `validation_share` is not used."""
    permissive_only: bool = False
    """Whether repositories without a permissive licence file are refused."""
    skip_tests: bool = False
    seed: int = 20

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant; raises RecipeError."""
        _refuse_unknown("languages", self.languages, GRAMMAR_LANGUAGES)
        _refuse_unknown("kinds", self.kinds, [kind.value for kind in Kind])
        _refuse_unknown("definitions", [self.definitions], get_args(Definitions))
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("max_snippet_tokens", "max_prefix_chars", "max_suffix_chars", "seed"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name} is {getattr(self, name)}; it must not be negative")
        for name in ("near_duplicate_file", "near_duplicate_span", "validation_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; it must be between 0 and 1")

    @property
    def mining_digest(self) -> str:
        """Names what decides which spans a file gives; a change of it mines all files again."""
        deciding = {name: getattr(self, name) for name in _DECIDING}
        deciding["queries"] = query_digest()
        deciding["version"] = EXTRACTION_VERSION
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def digest(self) -> str:
        """Names the whole recipe."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


_AT_LEAST_ONE = (
    "min_chars",
    "max_chars",
    "max_lines",
    "max_per_kind_and_file",
    "max_per_kind_and_repository",
)
_DECIDING = (
    "kinds",
    "definitions",
    "min_chars",
    "max_chars",
    "max_lines",
    "max_per_kind_and_file",
    "skip_tests",
    "seed",
)


def load_recipe(path: Path) -> MiningRecipe:
    """Read a recipe.

    Args:
        path: TOML file; what it does not name keeps its default.

    Returns:
        The recipe.

    Raises:
        RecipeError: If the file cannot be read, a key is unknown or a value has another type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} is no recipe: {error}") from error
    defaults = asdict(MiningRecipe())
    if unknown := sorted(set(table) - set(defaults)):
        known = ", ".join(field.name for field in fields(MiningRecipe))
        raise RecipeError(f"{path}: unknown keys {', '.join(unknown)}; known are {known}")
    return MiningRecipe(**{key: _convert(path, key, table[key], defaults[key]) for key in table})


def _convert(path: Path, key: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif type(value) is type(default):
        return value
    raise RecipeError(f"{path}: {key} is {value!r}; write it like {_as_toml(default)}")


def _as_toml(default: Any) -> str:
    return json.dumps(list(default) if isinstance(default, tuple) else default)


def _refuse_unknown(name: str, values: Any, known: Any) -> None:
    if unknown := [value for value in values if value not in known]:
        raise RecipeError(f"{name} has {', '.join(unknown)}; use {', '.join(known)}")
