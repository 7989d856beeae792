"""The sections of a prompt in the order in which they stand, still as text and marker roles.

Turns parts and a format into a flat list. Knows nothing of tokens and budgets: the renderer drops
and cuts sections, the golden strings are these sections joined.
"""

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from fimserve.prompt.comments import comment_blocks, line_comment
from fimserve.prompt.format import FimFormat
from fimserve.prompt.parts import Order, PromptParts, Snippet
from fimserve.prompt.template import Marker, Template, Words, fill_template


class SectionKind(Enum):
    """What a section is, which decides how the budget treats it."""

    MARKER = auto()
    """One marker of the order itself; never dropped."""
    HEADER = auto()
    """Repository or path of the current file."""
    SNIPPET = auto()
    """One piece of another file with its header."""
    PREFIX = auto()
    SUFFIX = auto()
    INCREMENT = auto()
    BLANK = auto()
    """Shown in text; in ids it is nothing, for the tokenizer itself writes it before the prefix."""


Pieces = tuple[Marker | Words, ...]


class Section(NamedTuple):
    """A stretch of a prompt that is kept, cut or dropped as one."""

    kind: SectionKind
    pieces: Pieces


def lay_out(fim_format: FimFormat, parts: PromptParts, order: Order | None) -> list[Section]:
    """Return the sections of a prompt.

    Args:
        fim_format: The family's format.
        parts: What the prompt is made of, with LF line ends.
        order: The order, or None for plain continuation.

    Returns:
        At least one section; the prefix is always among them.
    """
    template = fim_format.plain if order is None else fim_format.template(order)
    sections: list[Section] = []
    for piece in template:
        if isinstance(piece, Marker):
            sections.append(Section(SectionKind.MARKER, (piece,)))
        elif isinstance(piece, Words):
            sections.append(Section(SectionKind.HEADER, (piece,)))
        else:
            sections.extend(_fill_slot(piece.name, fim_format, parts))
    return sections


def run_starts(sections: Sequence[Section]) -> list[bool]:
    """Return for each section whether its text starts a run, where SentencePiece writes a blank.

    A run starts after a marker and at the start of the prompt. Suffix and increment never start
    one: they are the continuation of text that stands elsewhere.
    """
    starts: list[bool] = []
    at_start = True
    for section in sections:
        continues = section.kind in (SectionKind.SUFFIX, SectionKind.INCREMENT)
        starts.append(at_start and not continues)
        last = section.pieces[-1]
        if isinstance(last, Marker):
            at_start = True
        elif last.text and section.kind is not SectionKind.BLANK:
            at_start = False
    return starts


def section_text(section: Section, fim_format: FimFormat) -> str:
    """Return a section as people read it."""
    return "".join(
        fim_format.marker_texts.get(piece.role, fim_format.markers[piece.role])
        if isinstance(piece, Marker)
        else piece.text
        for piece in section.pieces
    )


def _fill_slot(name: str, fim_format: FimFormat, parts: PromptParts) -> Iterator[Section]:
    match name:
        case "prefix":
            yield Section(SectionKind.PREFIX, (Words(parts.prefix),))
        case "suffix":
            yield Section(SectionKind.SUFFIX, (Words(parts.suffix or ""),))
        case "increment":
            yield Section(SectionKind.INCREMENT, (Words(parts.increment),))
        case "blank":
            yield Section(SectionKind.BLANK, (Words(" "),))
        case "snippets":
            yield from _snippet_sections(fim_format, parts)
        case "repo":
            yield from _header(fim_format.repo if parts.repo else (), fim_format, parts)
        case "current":
            named, unnamed = fim_format.current, fim_format.unnamed_current
            yield from _header(named if parts.path else unnamed, fim_format, parts)
        case "head":
            yield from _header(fim_format.head if parts.path else (), fim_format, parts)
        case _:
            raise AssertionError(f"slot {name!r} passed the check of families.toml")


def _header(template: Template, fim_format: FimFormat, parts: PromptParts) -> Iterator[Section]:
    has_snippets = any(True for _ in _snippet_sections(fim_format, parts))
    if has_snippets or (parts.path and fim_format.current_alone):
        values = {"path": parts.path or "", "repo": parts.repo or ""}
        if pieces := fill_template(template, values):
            yield Section(SectionKind.HEADER, pieces)


def _snippet_sections(fim_format: FimFormat, parts: PromptParts) -> Iterator[Section]:
    if not fim_format.comments:
        for snippet in parts.snippets:
            yield Section(SectionKind.SNIPPET, _snippet_pieces(fim_format, snippet))
    elif mark := line_comment(parts.language, parts.path):
        for block in comment_blocks(parts.snippets, mark):
            yield Section(SectionKind.SNIPPET, (Words(block),))


def _snippet_pieces(fim_format: FimFormat, snippet: Snippet) -> Pieces:
    template = fim_format.snippet if snippet.path else fim_format.unnamed_snippet
    text = snippet.text
    if fim_format.strip_snippets:
        text = text.rstrip("\n") + fim_format.snippet_end
    return fill_template(template, {"path": snippet.path, "text": text})
