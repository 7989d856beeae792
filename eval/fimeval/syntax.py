"""Syntax trees of whole programs, for rules that cut an answer where the program is well formed."""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from tree_sitter import Language, Node, Parser, Tree

GRAMMARS: Mapping[str, str] = MappingProxyType(
    {
        "python": "tree_sitter_python",
        "java": "tree_sitter_java",
        "cpp": "tree_sitter_cpp",
        "csharp": "tree_sitter_c_sharp",
    }
)


def parse(text: str, language: str) -> Tree:
    """Return the syntax tree of a program.

    Args:
        text: The program.
        language: One of GRAMMARS.

    Returns:
        The tree; it has error nodes where the program is not well formed.
    """
    return _open_parser(language).parse(text.encode("utf-8", "surrogatepass"))


def walk(tree: Tree) -> Iterator[tuple[Node, bool]]:
    """Yield every node twice, when it is entered (True) and when it is left (False)."""
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None
        yield node, True
        if cursor.goto_first_child():
            continue
        yield node, False
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            node = cursor.node
            assert node is not None
            yield node, False


@cache
def _open_parser(language: str) -> Parser:
    grammar = importlib.import_module(GRAMMARS[language])
    return Parser(Language(grammar.language()))
