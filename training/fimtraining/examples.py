"""Turn one source file into one training example: token ids, rendered by `fimserve.prompt`.

What a file becomes (plain text or a hole, the order of its parts, its path, files beside it as
context) is drawn from a generator seeded by run, epoch and document, so every example can be made
again from its number alone.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fimserve.prompt import Order, PromptParts, Renderer, Snippet
from fimtraining.spans import SAMPLERS

# A comment block at the very top that speaks of licence or copyright, whatever its marks.
_TOP_COMMENT = re.compile(
    r"\A\s*(?:/\*.*?\*/|(?:^[ \t]*(?://|#)[^\n]*\n)+)\s*", re.DOTALL | re.MULTILINE
)
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
    max_snippets: int = 3
    """Other files at most."""
    max_snippet_chars: int = 3000
    """Characters of another file, cut at a line's end."""
    max_document_chars: int = 24_000
    """Longer files give one window of this size, drawn anew each epoch."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A document of the corpus, as far as an example needs it."""

    repository: str
    path: str
    language: str
    text: str


def make_example(
    file: SourceFile,
    neighbours: Sequence[SourceFile],
    mix: ExampleMix,
    renderer: Renderer,
    rng: random.Random,
) -> list[int]:
    """Return the token ids of one example, end token included.

    Args:
        file: The document.
        neighbours: Files of the same repository, candidates for context.
        mix: Shares of the kinds of examples.
        renderer: Writes the prompt in the model's own format.
        rng: Source of every choice.

    Returns:
        Prompt, middle and end token, whatever their number.
    """
    text = file.text if rng.random() < mix.licence_header_rate else strip_licence(file.text)
    text = _window(text, mix.max_document_chars, rng)
    snippets: tuple[Snippet, ...] = ()
    if neighbours and rng.random() < mix.repository_rate:
        chosen = rng.sample(neighbours, min(len(neighbours), rng.randint(1, mix.max_snippets)))
        snippets = tuple(
            Snippet(n.path, _head(strip_licence(n.text), mix.max_snippet_chars)) for n in chosen
        )
    has_path = bool(snippets) or rng.random() < mix.path_rate
    path = file.path if has_path else None
    repo = file.repository.rpartition("/")[2] if has_path and rng.random() < 0.5 else None
    parts = PromptParts("", None, path=path, repo=repo, language=file.language, snippets=snippets)
    if rng.random() >= mix.fim_rate:
        return renderer.render_training(parts, text, Order.PSM)  # no suffix: no order
    return _make_hole(text, parts, mix, renderer, rng)


def strip_licence(text: str) -> str:
    """Return a source file without the licence comment at its top, if it has one."""
    top = _TOP_COMMENT.match(text)
    if top is None or not _LICENCE_WORD.search(top[0]) or top.end() == len(text):
        return text
    return text[top.end() :]


def _make_hole(
    text: str, parts: PromptParts, mix: ExampleMix, renderer: Renderer, rng: random.Random
) -> list[int]:
    order = Order(_draw(mix.orders, rng))
    start, end = SAMPLERS[_draw(mix.spans, rng)](text, rng)
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
    return renderer.render_training(filled, middle, order)


def _draw(weights: Mapping[str, float], rng: random.Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


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
