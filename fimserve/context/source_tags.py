"""What a source file defines and imports, read from its syntax tree.

Errors in the source are tolerated: what can be read is read. Knows one file at a time.
"""

import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from fimserve.context.languages import find_grammar
from fimserve.context.source_imports import Import, read_imports

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Definition", "DefinitionKind", "FileTags", "ParsingTooSlow", "read_tags"]

DefinitionKind = Literal["type", "function", "value"]

MAX_PARSE_S = 2.0
"""A file within the size limit parses in a tenth of this; one that does not has no tags."""

_WRAPPERS = frozenset(
    {
        "const_declaration",
        "decorated_definition",
        "export_statement",
        "field_declaration",
        "lexical_declaration",
        "template_declaration",
        "type_declaration",
        "var_declaration",
        "variable_declaration",
    }
)
"""Nodes around a definition that belong to it: decorators, `export`, `const`, `template<...>`."""


class Definition(NamedTuple):
    """Something that a file gives a name to."""

    name: str
    kind: DefinitionKind
    start_line: int
    """First line, counted from 0, decorators included."""
    end_line: int
    """Line behind the last one."""
    name_line: int
    """Line on which the name stands."""


class FileTags(NamedTuple):
    """What one file says of names."""

    definitions: tuple[Definition, ...] = ()
    """In the order of the file; members come after the type that holds them."""
    imports: tuple[Import, ...] = ()


class ParsingTooSlow(Exception):
    """A file took longer to parse than any of its size does."""


def read_tags(text: str, language: str, path: str = "") -> FileTags:
    """Return definitions and imports of a source; ParsingTooSlow if it takes too long.

    Args:
        text: The source, line ends as LF.
        language: One of the values of `LANGUAGES`.
        path: Path inside the repository, which relative imports start from.

    Returns:
        What was found.
    """
    from tree_sitter import QueryCursor

    source = text.encode(errors="replace")
    root = _parse(source, language)
    definitions: dict[tuple[str, int], Definition] = {}
    imports: list[Import] = []
    for _, captures in QueryCursor(find_grammar(language).query).matches(root):
        if "import" in captures:
            imports += read_imports(captures["import"][0], language, path)
        elif (found := _read_definition(captures)) is not None:
            # Two patterns may see the same place; the first one is the narrower.
            definitions.setdefault((found.name, found.name_line), found)
    ordered = sorted(definitions.values(), key=lambda found: (found.start_line, -found.end_line))
    return FileTags(tuple(ordered), tuple(imports))


def _parse(source: bytes, language: str) -> "Node":
    from tree_sitter import Parser

    ends_s = time.monotonic() + MAX_PARSE_S
    parser = Parser(find_grammar(language).language)

    def give_rest(start: int, _: object) -> bytes:
        return source[start:]

    try:
        tree = parser.parse(
            give_rest, progress_callback=lambda _at, _error: time.monotonic() > ends_s
        )
    except ValueError:  # so it says that it was told to stop
        raise ParsingTooSlow from None
    return tree.root_node


def _read_definition(captures: "dict[str, list[Node]]") -> Definition | None:
    name = captures["name"][0]
    kinds: tuple[DefinitionKind, ...] = ("type", "function", "value")
    kind = next(kind for kind in kinds if kind in captures)
    node = captures[kind][0]
    while (parent := node.parent) is not None and _wraps(parent, node):
        node = parent
    text = (name.text or b"").decode(errors="replace")
    if not text or name.is_missing:
        return None
    start, end = node.start_point.row, node.end_point
    # A definition that ends with its line ends at column 0 of the next one.
    end_line = end.row if end.column == 0 and end.row > start else end.row + 1
    return Definition(text, kind, start, end_line, name.start_point.row)


def _wraps(parent: "Node", node: "Node") -> bool:
    return parent.type in _WRAPPERS and parent.end_point.row == node.end_point.row
