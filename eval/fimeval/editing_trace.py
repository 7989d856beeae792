"""What an editor would ask while somebody works: places in this project's own source files.

Cuts prefixes and suffixes of a wanted length for prompts never seen before, for one place that is
typed at, and for one place asked again and again. Plain texts: knows no server and no clock.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fimeval.errors import EvalError

SOURCE_PACKAGES = ("fimserve", "fimeval")

CHARS_PER_TOKEN = 3.9
"""Of the embedded model's tokenizer over these sources (335,761 characters, 3.92)."""


@dataclass(frozen=True, slots=True)
class CursorText:
    """The text on both sides of a cursor."""

    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class PromptShape:
    """How much text stands on each side of the cursor, and is missing between them, about."""

    prefix_chars: int
    suffix_chars: int
    hole_chars: int

    @property
    def num_chars(self) -> int:
        """Characters that one place takes."""
        return self.prefix_chars + self.hole_chars + self.suffix_chars


def make_shape(prefix_tokens: int, suffix_tokens: int, max_tokens: int) -> PromptShape:
    """Return the shape that holds about that many tokens of source code.

    Args:
        prefix_tokens: Tokens before the cursor.
        suffix_tokens: Tokens after it.
        max_tokens: Longest answer. Twice as much is missing, so that answers are seldom shorter.

    Returns:
        The shape, in characters.
    """
    lengths = (prefix_tokens, suffix_tokens, 2 * max_tokens)
    return PromptShape(*(round(length * CHARS_PER_TOKEN) for length in lengths))


def load_source_text(packages: Sequence[str] = SOURCE_PACKAGES) -> str:
    """Return the Python files of packages, joined in the order of their paths.

    Args:
        packages: Names of importable packages; they are found, not imported.

    Returns:
        The text.

    Raises:
        EvalError: If a package is not there.
    """
    texts: list[str] = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise EvalError(f"the package {package} is not installed; its sources are the prompts")
        files = sorted(Path(spec.origin).parent.rglob("*.py"))
        texts.extend(file.read_text(encoding="utf-8") for file in files)
    return "".join(texts)


def rotate(text: str, num_chars: int) -> str:
    """Return the text begun `num_chars` further on, what stood before put at its end."""
    start = num_chars % max(len(text), 1)
    return text[start:] + text[:start]


def cut_distinct(text: str, shape: PromptShape, num_places: int) -> tuple[CursorText, ...]:
    """Return places that share no text, the cursor at the beginning of a line.

    Args:
        text: Source code.
        shape: Lengths.
        num_places: How many.

    Returns:
        The places, from the start of the text on.

    Raises:
        EvalError: If the text is too short for so many.
    """
    num_possible = len(text) // shape.num_chars
    if num_places > num_possible:
        raise EvalError(
            f"{num_places} distinct prompts are needed, warm-up included, and the project's "
            f"sources hold {num_possible} of {shape.num_chars} characters; lower --n or the "
            "prompts' length"
        )
    starts = range(0, num_places * shape.num_chars, shape.num_chars)
    return tuple(
        place for start in starts for place in cut_typing(text[start:], shape, num_places=1)
    )


def cut_typing(text: str, shape: PromptShape, num_places: int) -> tuple[CursorText, ...]:
    """Return one place as it is typed at: each prefix has one character more than the one before.

    The text after the cursor stays as it is.

    Args:
        text: Source code; the place is at its start.
        shape: Lengths before anything is typed.
        num_places: How many states of the place.

    Returns:
        The states in the order of typing.

    Raises:
        EvalError: If the text is too short.
    """
    needed = shape.num_chars + num_places - 1
    if len(text) < needed:
        raise EvalError(
            f"typing {num_places} characters needs {needed} characters of source code and there "
            f"are {len(text)}; lower --n or the prompts' length"
        )
    # The last line that begins inside the prefix; a prefix of one line is cut anywhere.
    start = text.rfind("\n", 0, shape.prefix_chars) + 1 or shape.prefix_chars
    end = start + num_places - 1 + shape.hole_chars
    suffix = text[end : end + shape.suffix_chars]
    return tuple(CursorText(text[:cursor], suffix) for cursor in range(start, start + num_places))
