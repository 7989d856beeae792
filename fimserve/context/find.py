"""From a place in a file to snippets of other files: definitions first, then what reads alike.

The same code serves at completion time, where the middle is unknown, and in mining, where it is
known and decides which symbols are looked up. What reads alike is always asked by the surroundings
alone.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from fimserve.context.chunk import CHUNK_LINES
from fimserve.context.excerpt import dedent, excerpt_of
from fimserve.context.import_match import is_meant_by
from fimserve.context.languages import language_of
from fimserve.context.leak import Middle
from fimserve.context.repository_index import Place, RepositoryIndex
from fimserve.context.snippet import Snippet
from fimserve.context.source_imports import Import
from fimserve.context.source_tags import Definition, FileTags, ParsingTooSlow, read_tags
from fimserve.context.span import Location, Span
from fimserve.context.words import identifiers_of, words_of

__all__ = ["DefinitionFinder", "estimate_tokens", "find_snippets"]

MAX_DEFINITIONS = 6
MAX_SIMILAR = 4
NUM_LINES_BEFORE = 12
NUM_LINES_AFTER = 4
"""Lines around the cursor that tell what is being written."""
MAX_AMBIGUITY = 4
"""Definitions of a name in other files up to which it is looked up without an import that says
which is meant: `get` and `run` are defined everywhere."""
MAX_TAGGED_CHARS = 100_000
CHARS_PER_TOKEN = 3.0
"""Fewer than source has in any tokenizer we know (prompt/budget.py), so that estimates are high."""


class DefinitionFinder(Protocol):
    """Anything that knows where the symbols of a span are defined, better than their names tell."""

    def find(self, span: Span) -> list[Location] | None:
        """Return where its symbols are defined, most wanted first.

        Args:
            span: The place; its middle is known.

        Returns:
            What was found; None where it cannot say and names have to do.
        """
        ...


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few."""
    return int(len(text) / CHARS_PER_TOKEN) + 1


def find_snippets(
    index: RepositoryIndex,
    path: str,
    prefix: str,
    middle: str | None,
    suffix: str,
    max_tokens: int = 512,
    *,
    count_tokens: Callable[[str], int] = estimate_tokens,
    finder: DefinitionFinder | None = None,
) -> list[Snippet]:
    """Return pieces of other files that help to write what belongs between prefix and suffix.

    No snippet comes from the file itself, holds the middle, or says what another one or the text
    around the cursor says already.

    Args:
        index: The repository.
        path: The file inside it; need not be indexed.
        prefix: Text before the cursor, line ends as LF.
        middle: What stands at the cursor, whose symbols are looked up; None where nobody knows, and
            the symbols near the cursor are.
        suffix: Text after the cursor.
        max_tokens: What all snippets may take, their paths included.
        count_tokens: Counts the tokens of a text.
        finder: Asked for definitions before their names are looked up.

    Returns:
        Snippets, most helpful first.
    """
    span = Span(path, prefix, middle, suffix)
    candidates = (*_find_definitions(index, span, finder), *_find_similar(index, span))
    return _choose(candidates, span, max_tokens, count_tokens)


def _find_definitions(
    index: RepositoryIndex, span: Span, finder: DefinitionFinder | None
) -> Iterator[Snippet]:
    found = finder.find(span) if finder is not None and span.middle is not None else None
    places = _look_up(index, span) if found is None else list(_to_places(index, found))
    for place in _without_members(place for place in places if place.path != span.path)[
        :MAX_DEFINITIONS
    ]:
        if (file := index.find_file(place.path)) is not None:
            text = excerpt_of(place.definition, file.text.split("\n"), file.tags.definitions)
            yield Snippet(place.path, text, "definition")


def _to_places(index: RepositoryIndex, found: Iterable[Location]) -> Iterator[Place]:
    for location in found:
        if (file := index.find_file(location.path)) is not None:
            yield Place(location.path, _definition_at(location, file.tags.definitions))


def _definition_at(location: Location, definitions: Iterable[Definition]) -> Definition:
    """Return what is defined at a location: by its name, or the type that it is a part of."""
    name, line = location.name, location.line
    around = [each for each in definitions if each.start_line <= line < each.end_line]
    if named := [each for each in around if each.name == name and each.name_line == line]:
        return named[0]
    if types := [each for each in around if each.kind == "type"]:
        return types[-1]  # the innermost one
    return Definition(name, "value", line, line + 1, line)


def _look_up(index: RepositoryIndex, span: Span) -> list[Place]:
    """Return definitions of the names that a span uses, imported ones first."""
    tags = _read_own_tags(index, span)
    own = {definition.name for definition in tags.definitions}
    imported = {taken.alias or taken.name or taken.module: taken for taken in tags.imports}
    family = language_of(span.path)
    used = span.middle if span.middle is not None else "\n".join(_surroundings(span))
    ranked: list[tuple[int, int, Place]] = []
    for rank, name in enumerate(_wanted_names(span)):
        taken = imported.get(name)
        if name in own and taken is None:
            continue
        original = name if taken is None or taken.name in (None, "default") else taken.name
        places = [
            place
            for place in index.find_definitions(original or name)
            if place.path != span.path and _are_alike(family, language_of(place.path))
        ]
        meant = [place for place in places if _is_meant(place.path, taken, tags.imports)]
        if meant:
            ranked += [(0, rank, place) for place in meant[:2]]
        elif taken is None and len(places) <= MAX_AMBIGUITY:
            # What is imported from nowhere here is not ours; a variable's name says nothing.
            ranked += [
                (1, rank, place)
                for place in places[:1]
                if place.definition.kind == "type" or _is_used(name, used)
            ]
    ranked.sort(key=lambda each: each[:2])
    return [place for _, _, place in ranked]


def _wanted_names(span: Span) -> list[str]:
    """Return the names in the middle, or those near the cursor, the nearest first."""
    if span.middle is not None:
        return list(dict.fromkeys(identifiers_of(span.middle)))
    before, after = _surroundings(span)
    return list(dict.fromkeys([*reversed(identifiers_of(before)), *identifiers_of(after)]))


def _is_used(name: str, text: str) -> bool:
    """Return whether a name is called or taken from something: not one of a mere variable."""
    return re.search(rf"\.{name}\b|\b{name}\s*[(<]", text) is not None


def _surroundings(span: Span) -> tuple[str, str]:
    before = "\n".join(span.prefix[-8_000:].split("\n")[-NUM_LINES_BEFORE:])
    after = "\n".join(span.suffix[:8_000].split("\n")[:NUM_LINES_AFTER])
    return before, after


def _read_own_tags(index: RepositoryIndex, span: Span) -> FileTags:
    """Return the tags of the file itself: as it is indexed, else of what is given."""
    if (file := index.find_file(span.path)) is not None:
        return file.tags
    language = language_of(span.path)
    if language is None:
        return FileTags()
    try:
        return read_tags(span.text[:MAX_TAGGED_CHARS], language, span.path)
    except ParsingTooSlow:
        return FileTags()


def _is_meant(path: str, taken: Import | None, imports: Iterable[Import]) -> bool:
    if taken is not None:
        return is_meant_by(path, taken)
    # A member of something imported, or a name of a module that is taken as a whole.
    return any(is_meant_by(path, each) for each in imports)


_SCRIPTS = frozenset({"javascript", "typescript", "tsx"})


def _are_alike(left: str | None, right: str | None) -> bool:
    return left == right or {left, right} <= _SCRIPTS


def _without_members(places: Iterable[Place]) -> list[Place]:
    """Return places without repetitions and without what lies in one before."""
    kept: list[Place] = []
    for place in places:
        if not any(_holds(other, place) for other in kept):
            kept.append(place)
    return kept


def _holds(outer: Place, inner: Place) -> bool:
    # A long type shows only the first lines of its members.
    return outer.path == inner.path and (
        outer.definition == inner.definition
        or (
            outer.definition.start_line <= inner.definition.start_line
            and inner.definition.end_line
            <= outer.definition.end_line
            <= (outer.definition.start_line + CHUNK_LINES)
        )
    )


def _find_similar(index: RepositoryIndex, span: Span) -> Iterator[Snippet]:
    before, after = _surroundings(span)
    for _, chunk in index.find_similar(words_of(before + "\n" + after), MAX_SIMILAR, span.path):
        if (file := index.find_file(chunk.path)) is not None:
            lines = file.text.split("\n")[chunk.start_line : chunk.end_line]
            indices = range(chunk.start_line, chunk.start_line + len(lines))
            text = dedent(lines, indices, chunk.end_line).strip("\n")
            yield Snippet(chunk.path, text, "similar")


def _choose(
    candidates: Iterable[Snippet],
    span: Span,
    max_tokens: int,
    count_tokens: Callable[[str], int],
) -> list[Snippet]:
    middle = Middle(span.middle or "")
    known = _lines_of(span.prefix) | _lines_of(span.suffix)
    chosen: list[Snippet] = []
    left = max_tokens
    for snippet in candidates:
        lines = _lines_of(snippet.text)
        if middle.is_in(snippet.text) or len(lines - known) * 2 < max(1, len(lines)):
            continue
        size = count_tokens(snippet.path) + count_tokens(snippet.text)
        if size <= left:
            left -= size
            known |= lines
            chosen.append(snippet)
    return chosen


def _lines_of(text: str) -> set[str]:
    return {stripped for line in text.split("\n") if (stripped := line.strip())}
