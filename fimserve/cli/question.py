"""What `fimserve complete` asks, of a server or of a model loaded here."""

from dataclasses import dataclass

from fimserve.cli.cursor import Cursor
from fimserve.prompt import Snippet

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """One place to complete and how; the answer is always greedy."""

    cursor: Cursor
    max_tokens: int
    multiline: bool | None
    """Whether to go past the first line; None leaves it to the engine."""
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files of the repository."""
