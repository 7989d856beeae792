"""From a parsed file to the spans in it: what the queries capture, refused, thinned.

A query captures nodes; this turns them into character positions. Brackets and white space around
arguments and bodies stay outside the middle, as they are there already when one types.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import Kind
from fimcurriculum.syntax.blocks import statement_run
from fimcurriculum.syntax.draw import draw
from fimcurriculum.syntax.parsed_file import ParsedFile
from fimcurriculum.syntax.random_spans import random_spans
from fimcurriculum.syntax.span import Span
from fimcurriculum.syntax.trivia import refuse_middle

__all__ = ["FoundSpans", "find_spans"]

_BRACKETED = frozenset({Kind.ARGUMENTS, Kind.FUNCTION, Kind.CLASS})
_BRACKETED_NODES = frozenset({"argument_list", "token_tree"})
_UNBRACKETED_BODIES = frozenset({"block", "statement_list"})
_PAIRS = frozenset({"()", "{}", "[]"})
_OUTER = frozenset({Kind.FUNCTION, Kind.CLASS})
_OF_THE_FILE = frozenset(
    [
        "package_clause",
        "package_declaration",
        "import_declaration",
        "import_statement",
        "import_from_statement",
        "future_import_statement",
        "use_declaration",
        "using_directive",
        "preproc_include",
    ]
)
"""Above these stand licences and what the whole file is for, which tell nothing of them."""


@dataclass(slots=True)
class FoundSpans:
    """What one file gives."""

    spans: list[Span] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    """Kind -> places that the query found."""
    refused: Counter[str] = field(default_factory=Counter)
    """`<kind>/<reason>` -> places that were not taken."""
    definitions: set[str] = field(default_factory=set)
    """Names of the functions and types that the file defines."""


def find_spans(file: ParsedFile, path: str, recipe: MiningRecipe) -> FoundSpans:
    """Return the spans of a file.

    Args:
        file: The file.
        path: Its path, part of every random choice.
        recipe: Kinds, limits and seed.

    Returns:
        Spans in order of their start, and what became of the other places.
    """
    result = FoundSpans()
    kept: dict[tuple[int, int], list[Span]] = defaultdict(list)
    code_start = len(file.text) - len(file.text.lstrip())
    for span, reason in _candidates(file, path, recipe, result.definitions):
        if span.kind not in recipe.kinds:
            continue
        result.found[span.kind] += 1
        middle = file.text[span.start : span.end]
        reason = reason or refuse_middle(middle.strip(), recipe)
        if reason is None and span.start <= code_start:
            reason = "no_prefix"
        if reason:
            result.refused[f"{span.kind}/{reason}"] += 1
        elif span not in kept[span.start, span.end]:
            kept[span.start, span.end].append(span)
        else:
            result.refused[f"{span.kind}/same_place"] += 1
    result.spans = _thin(_settle(kept.values(), path, recipe, result), path, recipe, result)
    return result


def _candidates(
    file: ParsedFile, path: str, recipe: MiningRecipe, definitions: set[str]
) -> Iterator[tuple[Span, str | None]]:
    """Yield places by kind, each with a reason where its shape alone refuses it."""
    for captures in file.matches():
        for name, nodes in captures.items():
            kind, _, role = name.partition(".")
            if role == "container":
                yield from _block_candidates(file, nodes, path, recipe)
            elif role == "outer":
                definitions.update(filter(None, (_name_of(file, node) for node in nodes)))
                if recipe.definitions == "whole" and kind in _OUTER:
                    yield from (_make(file, kind, node, node) for node in nodes)
            elif role:
                continue
            elif kind == Kind.COMMENT_TO_CODE:
                above = captures["comment_to_code.comment"][0]
                yield from (_below_comment(file, above, node) for node in nodes)
            elif recipe.definitions == "body" or kind not in _OUTER:
                yield from (_make(file, kind, node, node) for node in nodes)
    num_random = recipe.max_per_kind_and_file if Kind.RANDOM in recipe.kinds else 0
    for span in random_spans(file.text, num_random, f"{recipe.seed}:{path}"):
        yield span, None


def _block_candidates(
    file: ParsedFile, containers: list[Node], path: str, recipe: MiningRecipe
) -> Iterator[tuple[Span, str | None]]:
    for container in containers:
        run = statement_run(container, recipe.seed, path)
        if run is not None:
            yield _make(file, Kind.BLOCK, *run)


def _below_comment(file: ParsedFile, comment: Node, code: Node) -> tuple[Span, str | None]:
    if code.type in _UNBRACKETED_BODIES and file.source[code.start_byte] != ord("{"):
        # A comment that opens a body stands before the body's node, where that has no brackets.
        code = code.named_children[0] if code.named_child_count else code
    span, reason = _make(file, Kind.COMMENT_TO_CODE, code, code)
    line_start = file.source.rfind(b"\n", 0, comment.start_byte) + 1
    if file.source[line_start : comment.start_byte].strip():
        reason = "comment_behind_code"
    elif code.start_point.row > comment.end_point.row + 1:
        reason = "comment_apart"
    elif code.type in _OF_THE_FILE:
        reason = "comment_of_file"
    elif "comment" in code.type or not code.is_named:
        reason = "comment_only"
    return span, reason


def _make(file: ParsedFile, kind: str, first: Node, last: Node) -> tuple[Span, str | None]:
    start, end = file.to_char(first.start_byte), file.to_char(last.end_byte)
    text = file.text
    is_bracketed = kind in _BRACKETED or first.type in _BRACKETED_NODES
    if is_bracketed and end - start >= 2 and text[start] + text[end - 1] in _PAIRS:
        start, end = start + 1, end - 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    is_broken = first.has_error or last.has_error or first.is_missing
    if not is_broken and first != last:
        is_broken = _has_error_between(first, last)
    return Span(str(kind), start, end), "parse_error" if is_broken else None


def _has_error_between(first: Node, last: Node) -> bool:
    node = first.next_sibling
    while node is not None and node != last:
        if node.has_error:
            return True
        node = node.next_sibling
    return False


def _name_of(file: ParsedFile, outer: Node) -> str | None:
    """Return the name that a definition gives, where its shape has one."""
    name = outer.child_by_field_name("name") or outer.child_by_field_name("declarator")
    if name is None and outer.named_child_count:
        name = outer.named_children[0].child_by_field_name("name")
    if name is None and outer.parent is not None:
        name = outer.parent.child_by_field_name("name")
    while name is not None and (inner := name.child_by_field_name("declarator")) is not None:
        name = inner
    if name is None or not name.type.endswith("identifier"):
        return None
    return file.text_of(name)


def _settle(
    places: Iterable[list[Span]], path: str, recipe: MiningRecipe, result: FoundSpans
) -> list[Span]:
    """Return one span for each place: what is of several kinds goes to one of them by lot."""
    settled = []
    for spans in places:
        if len(spans) > 1:
            spans.sort(key=lambda span: draw(recipe.seed, "kind", path, span.start, span.kind))
        for loser in spans[1:]:
            result.refused[f"{loser.kind}/same_place"] += 1
        settled += spans[:1]
    return settled


def _thin(spans: list[Span], path: str, recipe: MiningRecipe, result: FoundSpans) -> list[Span]:
    """Return the spans that the limit per kind leaves, drawn by lot."""
    by_kind: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_kind[span.kind].append(span)
    kept: list[Span] = []
    for kind, group in by_kind.items():
        num_over = len(group) - recipe.max_per_kind_and_file
        if num_over > 0:
            group.sort(key=lambda span: draw(recipe.seed, "file", path, span.start, span.end))
            result.refused[f"{kind}/over_file_limit"] += num_over
        kept += group[: recipe.max_per_kind_and_file]
    return sorted(kept, key=lambda span: (span.start, span.end))
