"""Turn one source file into one training example: token ids, rendered by `fimserve.prompt`.

What a file becomes (plain text or a hole, the order of its parts, its path, files beside it as
context) is drawn from a generator seeded by run, epoch and document, so every example can be made
again from its number alone.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fimserve.prompt import Order, PromptParts, Renderer, Snippet
from fimtraining.functions import FunctionText, draw_function
from fimtraining.spans import SAMPLERS, Span

# A comment block at the very top that speaks of licence or copyright, whatever its marks.
_TOP_COMMENT = re.compile(
    r"\A\s*(?:/\*.*?\*/|(?:^[ \t]*(?://|#)[^\n]*\n)+)\s*", re.DOTALL | re.MULTILINE
)
# A line that opens something new: neither indented nor the closing line of a block.
_STATEMENT = re.compile(r"^[A-Za-z_@#/]", re.MULTILINE)
_INDENTED = (" ", "\t", "\n", "}", ")", "]")
_LICENCE_WORD = re.compile(r"licen[sc]e|copyright", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExampleMix:
    """Shares of the kinds of examples."""

    fim_rate: float = 0.7
    """Share of documents with a hole; the rest is plain text."""
    orders: Mapping[str, float] = field(
        default_factory=lambda: {"psm": 0.45, "spm": 0.45, "middle-increment": 0.1}
    )
    """Weight of each order among documents with a hole."""
    spans: Mapping[str, float] = field(
        default_factory=lambda: {
            "uniform": 0.35,
            "short": 0.15,
            "rest_of_line": 0.2,
            "whole_lines": 0.3,
        }
    )
    """Weight of each kind of hole, see `fimtraining.spans`."""
    path_rate: float = 0.5
    """Share of documents whose path stands before them."""
    licence_header_rate: float = 0.2
    """Share of licence headers kept: the same 150 tokens teach nothing the hundredth time."""
    repository_rate: float = 0.15
    """Share of documents that follow other files of their repository."""
    import_rate: float = 0.0
    """Share of those, where the document imports files of its repository, that follow imported
    files, what is imported before what imports it; the others follow files that lie near."""
    max_snippets: int = 3
    """Other files at most."""
    max_snippet_chars: int = 3000
    """Characters of another file, cut at a line's end."""
    max_document_chars: int = 24_000
    """Longer files give one window of this size, drawn anew each epoch."""
    windows: Mapping[str, float] = field(default_factory=dict)
    """Characters of a window -> weight; an example's window has half to all of the drawn number.
    Empty: `max_document_chars` is the one size."""
    statement_rate: float = 0.0
    """Share of windows that begin and end at a line without indentation, where one is near."""
    visit_chars: int = 0
    """A file comes once an epoch for each so many characters; 0: every file comes once."""
    repository_visits: Mapping[str, int] = field(default_factory=dict)
    """Repository -> how many times as often its files come."""
    language_visits: Mapping[str, int] = field(default_factory=dict)
    """Language -> how many times as often its files come."""
    function_rate: float = 0.0
    """Share of documents that are one function of the file instead of a window of it."""
    max_function_chars: int = 2000
    """Longer functions are not taken alone."""
    function_body_rate: float = 0.8
    """Share of a function's holes that lie behind its signature and docstring, where one does."""
    tree_rate: float = 0.0
    """Share of holes that are whole pieces of syntax (`fimtraining.trees`; AST-FIM, arXiv
    2506.00204, takes 0.9); the others are cut as `spans` says, blind to syntax."""

    def __post_init__(self) -> None:
        """Refuse names of spans and sizes of windows that mean nothing."""
        if unknown := set(self.spans) - set(SAMPLERS):
            raise ValueError(f"unknown spans {sorted(unknown)}; known are {sorted(SAMPLERS)}")
        if wrong := [size for size in self.windows if not size.isdigit()]:
            raise ValueError(f"windows are numbers of characters, not {wrong}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A document of the corpus, as far as an example needs it."""

    repository: str
    path: str
    language: str
    text: str


class Example(NamedTuple):
    """One training sequence."""

    token_ids: list[int]
    """Prompt, middle and end token."""
    num_answer_tokens: int
    """Tokens at the end that the model shall write at a cursor: the middle and the end token. 0 for
    plain text, which asks nothing."""


def make_example(
    file: SourceFile,
    neighbours: Sequence[SourceFile],
    mix: ExampleMix,
    renderer: Renderer,
    rng: random.Random,
    imported: Sequence[SourceFile] = (),
) -> Example:
    """Return one example, end token included.

    Args:
        file: The document.
        neighbours: Files of the same repository, candidates for context.
        mix: Shares of the kinds of examples.
        renderer: Writes the prompt in the model's own format.
        rng: Source of every choice.
        imported: Files that the document imports, in dependency order, context as they are.

    Returns:
        Prompt, middle and end token, whatever their number.
    """
    text = file.text if rng.random() < mix.licence_header_rate else strip_licence(file.text)
    alone = _draw_function(text, file.language, mix, rng)
    text = alone.text if alone else _draw_window(text, mix, rng)
    # The line break before the first statement belongs to a hole at the end of the line above.
    first_start = alone.body_start - 1 if alone and rng.random() < mix.function_body_rate else 0
    snippets: tuple[Snippet, ...] = ()
    if (neighbours or imported) and rng.random() < mix.repository_rate:
        chosen = _draw_context(neighbours, imported, mix, rng)
        snippets = tuple(
            Snippet(n.path, _head(strip_licence(n.text), mix.max_snippet_chars)) for n in chosen
        )
    has_path = bool(snippets) or rng.random() < mix.path_rate
    path = file.path if has_path else None
    repo = file.repository.rpartition("/")[2] if has_path and rng.random() < 0.5 else None
    parts = PromptParts("", None, path=path, repo=repo, language=file.language, snippets=snippets)
    if rng.random() >= mix.fim_rate:
        # No suffix: no order.
        return Example(renderer.render_training(parts, text, Order.PSM), num_answer_tokens=0)
    span = _draw_span(text, file, first_start, mix, rng)
    return _make_hole(text, span, parts, mix, renderer, rng)


def strip_licence(text: str) -> str:
    """Return a source file without the licence comment at its top, if it has one."""
    top = _TOP_COMMENT.match(text)
    if top is None or not _LICENCE_WORD.search(top[0]) or top.end() == len(text):
        return text
    return text[top.end() :]


def _draw_function(
    text: str, language: str, mix: ExampleMix, rng: random.Random
) -> FunctionText | None:
    if rng.random() >= mix.function_rate:
        return None
    return draw_function(text, language, mix.max_function_chars, rng)


def _draw_context(
    neighbours: Sequence[SourceFile],
    imported: Sequence[SourceFile],
    mix: ExampleMix,
    rng: random.Random,
) -> Sequence[SourceFile]:
    if imported and (not neighbours or rng.random() < mix.import_rate):
        return imported[-rng.randint(1, mix.max_snippets) :]
    return rng.sample(neighbours, min(len(neighbours), rng.randint(1, mix.max_snippets)))


def _draw_span(
    text: str, file: SourceFile, first_start: int, mix: ExampleMix, rng: random.Random
) -> Span:
    """Return a hole that begins at `first_start` or behind it, where a few tries find one."""
    if mix.tree_rate and rng.random() < mix.tree_rate:
        # Here, not above: runs that cut by lines alone need no grammars installed.
        from fimtraining.trees import sample_subtree

        whole = sample_subtree(text, file.language, file.path, rng, max(0, first_start))
        if whole is not None:
            return whole
    sample = SAMPLERS[_draw(mix.spans, rng)]
    for _ in range(6):
        span = sample(text, rng)
        if span.start >= first_start:
            break
    return span


def _make_hole(
    text: str,
    span: Span,
    parts: PromptParts,
    mix: ExampleMix,
    renderer: Renderer,
    rng: random.Random,
) -> Example:
    order = Order(_draw(mix.orders, rng))
    start, end = span
    middle, increment = text[start:end], ""
    if order is Order.MIDDLE_INCREMENT:
        # What was typed since the anchor is encoded by itself: fragment tokenisation, EFIM.
        typed = rng.randint(0, min(len(middle), 200))
        increment, middle = middle[:typed], middle[typed:]
    filled = PromptParts(
        prefix=text[:start],
        suffix=text[end:],
        path=parts.path,
        repo=parts.repo,
        language=parts.language,
        snippets=parts.snippets,
        increment=increment,
    )
    token_ids = renderer.render_training(filled, middle, order)
    return Example(token_ids, len(renderer.encoder.encode_continuation(middle)) + 1)


def _draw(weights: Mapping[str, float], rng: random.Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _draw_window(text: str, mix: ExampleMix, rng: random.Random) -> str:
    if not mix.windows:
        return _window(text, mix.max_document_chars, rng)
    max_chars = int(int(_draw(mix.windows, rng)) * rng.uniform(0.5, 1.0))
    window = _window(text, max_chars, rng)
    return _whole_statements(window) if rng.random() < mix.statement_rate else window


def _whole_statements(text: str) -> str:
    """Return the text from its first line without indentation to before its last one.

    A third of the text may go at either end; where no such line is found, that end stays.
    """
    third = len(text) // 3
    first = _STATEMENT.search(text, 0, third)
    start = first.start() if first and text[:1] in _INDENTED else 0
    ends = [m.start() for m in _STATEMENT.finditer(text, len(text) - third)]
    return text[start : ends[-1] if ends else len(text)]


def _window(text: str, max_chars: int, rng: random.Random) -> str:
    """Return the text, or a random stretch of whole lines of it."""
    if len(text) <= max_chars:
        return text
    start = text.rfind("\n", 0, rng.randint(0, len(text) - max_chars) + 1) + 1
    return _head(text[start:], max_chars)


def _head(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    cut = text.rfind("\n", 0, max_chars) + 1
    return text[: cut or max_chars]
