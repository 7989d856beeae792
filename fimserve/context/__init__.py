"""Context from other files: definitions of the symbols that a place uses, and what reads alike.

Serves at completion time and in mining. Knows nothing of ours and never torch; `tree_sitter` and
`bm25s` are loaded when an index is made.
"""

from fimserve.context.background_index import BackgroundIndex
from fimserve.context.find import DefinitionFinder, estimate_tokens, find_snippets
from fimserve.context.project_finder import ProjectFinder
from fimserve.context.repository_index import IndexedFile, Place, RepositoryIndex
from fimserve.context.snippet import Reason, Snippet
from fimserve.context.span import Location, Span

__all__ = [
    "BackgroundIndex",
    "DefinitionFinder",
    "IndexedFile",
    "Location",
    "Place",
    "ProjectFinder",
    "Reason",
    "RepositoryIndex",
    "Snippet",
    "Span",
    "estimate_tokens",
    "find_snippets",
]
