"""Which language a file is in, and the grammar and query that read it.

Grammars are loaded when first needed, one wheel per language. Loaded grammars are shared and never
change; a parser belongs to one call.
"""

import importlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Query

__all__ = ["LANGUAGES", "Grammar", "find_grammar", "language_of"]

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        ending: language
        for language, endings in {
            "python": "py pyi",
            "javascript": "js mjs cjs jsx",
            "typescript": "ts mts cts",
            "tsx": "tsx",
            "java": "java",
            "go": "go",
            "rust": "rs",
            "cpp": "c cc cpp cxx h hpp hh hxx",
            "csharp": "cs",
        }.items()
        for ending in endings.split()
    }
)
"""Languages by the ending of a file's name; other files are not indexed."""


@dataclass(frozen=True)
class Grammar:
    """How one language is read."""

    module: str
    function: str
    queries: tuple[str, ...]
    """Query files, one after the other."""

    @cached_property
    def language(self) -> "Language":
        """The grammar; its wheel is loaded now."""
        from tree_sitter import Language

        with _lock:
            return Language(getattr(importlib.import_module(self.module), self.function)())

    @cached_property
    def query(self) -> "Query":
        """The query for definitions and imports."""
        from tree_sitter import Query

        folder = files("fimserve.context") / "queries"
        source = "\n".join((folder / name).read_text("utf-8") for name in self.queries)
        return Query(self.language, source)


_lock = threading.Lock()

_GRAMMARS: Mapping[str, Grammar] = MappingProxyType(
    {
        "python": Grammar("tree_sitter_python", "language", ("python.scm",)),
        "javascript": Grammar("tree_sitter_javascript", "language", ("javascript.scm",)),
        "typescript": Grammar("tree_sitter_typescript", "language_typescript", ("typescript.scm",)),
        "tsx": Grammar("tree_sitter_typescript", "language_tsx", ("typescript.scm",)),
        "java": Grammar("tree_sitter_java", "language", ("java.scm",)),
        "go": Grammar("tree_sitter_go", "language", ("go.scm",)),
        "rust": Grammar("tree_sitter_rust", "language", ("rust.scm",)),
        "cpp": Grammar("tree_sitter_cpp", "language", ("cpp.scm",)),
        "csharp": Grammar("tree_sitter_c_sharp", "language", ("csharp.scm",)),
    }
)


def language_of(path: str) -> str | None:
    """Return the language of a file by its name, or None where it is not one of ours."""
    return LANGUAGES.get(PurePosixPath(path).suffix[1:].lower())


def find_grammar(language: str) -> Grammar:
    """Return the grammar of one of `LANGUAGES`' values."""
    return _GRAMMARS[language]
