"""Grammars of tree-sitter: which brackets a source has, and where its end stands.

Grammars are loaded when first needed, one wheel per language. The tree is read as a row of tokens
and not by its shape: half-written code has ERROR nodes whose shape says little, while strings,
comments, templates and brackets in it are still told apart. It is part of the engine because the
engine stops completions by it and may import models and prompt only. A scanner belongs to one
completion and so to one thread; loaded languages are shared and never change.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from fimserve.engine.scan import Bracket, KeptScan, Scan, match_brackets, scan_by_rules

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Point, Query, Tree


class _Grammar:
    """Names the wheel and the function that give a language."""

    def __init__(self, module: str, function: str = "language") -> None:
        self.module = module
        self.function = function


_GRAMMARS: Mapping[str, _Grammar] = MappingProxyType(
    {
        "python": _Grammar("tree_sitter_python"),
        "javascript": _Grammar("tree_sitter_javascript"),
        "javascriptreact": _Grammar("tree_sitter_javascript"),
        "typescript": _Grammar("tree_sitter_typescript", "language_typescript"),
        "typescriptreact": _Grammar("tree_sitter_typescript", "language_tsx"),
        "java": _Grammar("tree_sitter_java"),
        "go": _Grammar("tree_sitter_go"),
        "rust": _Grammar("tree_sitter_rust"),
        "c": _Grammar("tree_sitter_cpp"),
        "cpp": _Grammar("tree_sitter_cpp"),
        "csharp": _Grammar("tree_sitter_c_sharp"),
    }
)

MAX_PARSE_ROUNDS = 300
"""Rounds of 100 operations that parsing for one completion may take; then rules serve. 4,096
characters of code take 60 at most, 0.2 ms; of what is no code in that language 100, 40 ms, again
for each line. Counted and not timed, so that a text does not depend on how busy the machine is."""

_OPENERS = frozenset({"(", "[", "{", "${", "{|", "[[", "\\{"})
_CLOSERS = frozenset({")", "]", "}", "|}", "]]"})
_BRACES_OF_TEMPLATES = frozenset({"interpolation_brace"})


class Scanner(Protocol):
    """Anything that finds the brackets of a growing text."""

    def scan(self, text: str, start: int = 0) -> Scan:
        """Return brackets and end of a text.

        Args:
            text: Source, often the last one with something added.
            start: Characters of it, up to a place in code, whose brackets are not asked for.

        Returns:
            The brackets in order.
        """
        ...


def make_scanner(language: str | None, kept: KeptScan | None = None) -> Scanner:
    """Return a scanner with the language's grammar, or by rules where there is none.

    Args:
        language: Language id, or None.
        kept: What rules found in a text that whole texts are likely to begin like.

    Returns:
        The scanner.
    """
    loaded = load_grammar(language) if language else None
    if language is None or loaded is None:
        return RuleScanner(language, kept)
    return TreeScanner(language, *loaded, kept)


class RuleScanner:
    """Finds brackets by rules.

    Args:
        language: Language id, or None.
        kept: As for `make_scanner`.
    """

    def __init__(self, language: str | None, kept: KeptScan | None = None) -> None:
        self._language = language
        self._kept = kept or KeptScan()

    def scan(self, text: str, start: int = 0) -> Scan:
        """Return brackets and end of a text."""
        return _scan_from(text, start, self._language, self._kept)


class TreeScanner:
    """Finds brackets in a syntax tree, which is kept and only mended where text was added.

    Args:
        name: Language id.
        language: The grammar.
        query: Finds its brackets.
        kept: As for `make_scanner`.
    """

    def __init__(
        self, name: str, language: Language, query: Query, kept: KeptScan | None = None
    ) -> None:
        from tree_sitter import Parser

        self._language = name
        self._kept = kept or KeptScan()
        self._parser: Parser = Parser(language)
        self._query = query
        self._source = b""
        self._tree: Tree | None = None
        self._num_rounds_left = MAX_PARSE_ROUNDS

    def scan(self, text: str, start: int = 0) -> Scan:
        """Return brackets and end of a text; fast where the last one is its start."""
        from tree_sitter import QueryCursor

        # Half a surrogate pair, which has no bytes, counts as one: positions stay characters.
        source = text.encode(errors="replace")
        start_byte = len(text[:start].encode(errors="replace"))
        tree = self._parse(source)
        if tree is None:
            return _scan_from(text, start, self._language, self._kept)
        cursor = QueryCursor(self._query)
        cursor.set_byte_range(start_byte, len(source))
        found = cursor.captures(tree.root_node).get("bracket", [])
        places = sorted(
            (node.start_byte, _as_char(node)) for node in found if node.start_byte >= start_byte
        )
        brackets = tuple(Bracket(at, char) for at, char in places if char)
        if not text.isascii():
            brackets = _with_char_positions(brackets, source)
        by_rules = _scan_from(text, start, self._language, self._kept)
        if by_rules.inside == "code" or _is_in_substitution(text, by_rules, brackets):
            return Scan(brackets, "code")
        return by_rules  # no grammar knows what to make of a string or comment that does not end

    def _parse(self, source: bytes) -> Tree | None:
        """Return the tree of a text; None once parsing has taken too long."""
        if self._num_rounds_left <= 0:
            return None
        old = self._tree
        if old is not None and source.startswith(self._source):
            start = len(self._source)
            point = _point_at(self._source)
            old.edit(
                start_byte=start,
                old_end_byte=start,
                new_end_byte=len(source),
                start_point=point,
                old_end_point=point,
                new_end_point=_point_at(source),
            )
        else:
            old = None

        def give_rest(start: int, _: Point) -> bytes:
            return source[start:]

        parse, count = self._parser.parse, self._count_round
        try:
            if old is None:
                self._tree = parse(give_rest, progress_callback=count)
            else:
                self._tree = parse(give_rest, old, progress_callback=count)
        except ValueError:  # so it says that it was told to stop
            self._parser.reset()
            self._tree = None
        self._source = source
        return self._tree

    def _count_round(self, _: int, __: bool) -> bool:
        """Return whether parsing has to stop."""
        self._num_rounds_left -= 1
        return self._num_rounds_left <= 0


def _scan_from(text: str, start: int, language: str | None, kept: KeptScan) -> Scan:
    if not start:
        return kept.scan(text, language)
    scan = scan_by_rules(text[start:], language)
    brackets = tuple(Bracket(at + start, char) for at, char in scan.brackets)
    open_at = None if scan.open_at is None else scan.open_at + start
    return Scan(brackets, scan.inside, open_at)


_lock = threading.Lock()
_loaded: dict[str, tuple[Language, Query] | None] = {}


def load_grammar(language: str) -> tuple[Language, Query] | None:
    """Return a grammar and its query for brackets; None where there is no such wheel."""
    if language not in _GRAMMARS:
        return None
    with _lock:
        if language not in _loaded:
            _loaded[language] = _load_grammar(_GRAMMARS[language])
        return _loaded[language]


def _load_grammar(grammar: _Grammar) -> tuple[Language, Query] | None:
    try:
        from tree_sitter import Language, Query

        module = importlib.import_module(grammar.module)
    except ImportError:  # a reduced installation: rules serve
        return None
    language = Language(getattr(module, grammar.function)())
    kinds = {
        (kind, language.node_kind_is_named(kind_id))
        for kind_id in range(language.node_kind_count)
        if (kind := language.node_kind_for_id(kind_id))
        in _OPENERS | _CLOSERS | _BRACES_OF_TEMPLATES
        and language.node_kind_is_visible(kind_id)
    }
    names = [
        f"({kind})" if is_named else '"' + kind.replace("\\", "\\\\") + '"'
        for kind, is_named in sorted(kinds)
    ]
    return language, Query(language, f"[{' '.join(names)}] @bracket")


def _as_char(node: Node) -> str:
    """Return the bracket as one character; none for what the parser only supposes."""
    if node.is_missing or node.start_byte == node.end_byte:
        return ""
    kind = node.type
    if kind in _BRACES_OF_TEMPLATES:
        kind = (node.text or b"").decode()
    if kind in _OPENERS:
        return "{" if "{" in kind else kind[0]
    return "}" if "}" in kind else kind[-1:]


def _with_char_positions(brackets: tuple[Bracket, ...], source: bytes) -> tuple[Bracket, ...]:
    moved, num_chars, last = [], 0, 0
    for at, char in brackets:
        num_chars += len(source[last:at].decode(errors="replace"))
        last = at
        moved.append(Bracket(num_chars, char))
    return tuple(moved)


def _is_in_substitution(text: str, found: Scan, brackets: tuple[Bracket, ...]) -> bool:
    """Return whether the end of a string still open is code again, as in `a${b` and f"{b`."""
    openers = match_brackets(brackets).openers
    if found.inside != "string" or found.open_at is None or not openers:
        return False
    at = openers[-1].position
    is_formatted = text[max(0, found.open_at - 1) : found.open_at] in ("f", "F", "$")
    return at > found.open_at and (is_formatted or text[at] == "$")


def _point_at(source: bytes) -> tuple[int, int]:
    return source.count(b"\n"), len(source) - (source.rfind(b"\n") + 1)
