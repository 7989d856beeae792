"""The grammar of each language and its query for spans.

Grammars are loaded when first needed, one wheel per language, once per process.
"""

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from tree_sitter import Language, Query

__all__ = ["GRAMMAR_LANGUAGES", "Grammar", "load_grammar", "query_digest"]


@dataclass(frozen=True, slots=True)
class Grammar:
    """What one dialect of a language is read with."""

    language: Language
    spans: Query
    """Captures the middles, by kind."""
    identifiers: Query
    """Captures every name."""


_WHEELS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "python": ("tree_sitter_python", "language", "python.scm"),
        "typescript": ("tree_sitter_typescript", "language_typescript", "typescript.scm"),
        "tsx": ("tree_sitter_typescript", "language_tsx", "typescript.scm"),
        "javascript": ("tree_sitter_javascript", "language", "javascript.scm"),
        "java": ("tree_sitter_java", "language", "java.scm"),
        "go": ("tree_sitter_go", "language", "go.scm"),
        "rust": ("tree_sitter_rust", "language", "rust.scm"),
        "cpp": ("tree_sitter_cpp", "language", "cpp.scm"),
        "csharp": ("tree_sitter_c_sharp", "language", "csharp.scm"),
    }
)

GRAMMAR_LANGUAGES = tuple(name for name in _WHEELS if name != "tsx")


def load_grammar(language: str, path: str) -> Grammar:
    """Return the grammar for a file.

    Args:
        language: One of GRAMMAR_LANGUAGES.
        path: The file's path, whose ending tells TSX from TypeScript.

    Returns:
        The grammar, shared by all callers of the process.
    """
    return _load("tsx" if path.lower().endswith(".tsx") else language)


@cache
def query_digest() -> str:
    """Return what names the text of all queries."""
    directory = files("fimcurriculum.syntax") / "queries"
    names = sorted({query for _, _, query in _WHEELS.values()})
    return hashlib.sha256(b"".join((directory / name).read_bytes() for name in names)).hexdigest()


@cache
def _load(name: str) -> Grammar:
    module, function, query = _WHEELS[name]
    language = Language(getattr(importlib.import_module(module), function)())
    source = (files("fimcurriculum.syntax") / "queries" / query).read_text(encoding="utf-8")
    return Grammar(language, Query(language, source), Query(language, _identifier_query(language)))


def _identifier_query(language: Language) -> str:
    names = sorted(
        {
            kind
            for kind_id in range(language.node_kind_count)
            if language.node_kind_is_named(kind_id)
            and language.node_kind_is_visible(kind_id)
            and (kind := language.node_kind_for_id(kind_id))
            and kind.endswith("identifier")
            and kind not in _COMPOSED
        }
    )
    return f"[{' '.join(f'({name})' for name in names)}] @identifier"


_COMPOSED = frozenset({"scoped_identifier", "scoped_type_identifier", "nested_identifier"})
"""Names made of names: their parts are captured."""
