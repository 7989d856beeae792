"""The refusals of the prompt room.

Every class derives from PromptError, so a caller can catch the room's errors with one name.
Messages hold the value, the limit and the remedy.
"""

from collections.abc import Iterable


class PromptError(ValueError):
    """Base of every error raised by fimserve.prompt."""


class UnknownFamily(PromptError):
    """A format was asked for by a name that the table of families does not have."""

    def __init__(self, family: str, nearest: str | None, known: Iterable[str]) -> None:
        hint = f"did you mean {nearest!r}? " if nearest else ""
        super().__init__(f"no FIM format is called {family!r}; {hint}known: {', '.join(known)}")


class UnsupportedOrder(PromptError):
    """A family has no layout for the order asked for."""

    def __init__(self, family: str, order: str, supported: Iterable[str]) -> None:
        super().__init__(
            f"family {family!r} has no '{order}' layout; use one of: {', '.join(supported)}"
        )


class MissingMarker(PromptError):
    """A tokenizer does not hold a marker of the family as exactly one token."""

    def __init__(self, family: str, marker: str) -> None:
        super().__init__(
            f"the tokenizer has no single token {marker!r}, which family {family!r} needs; "
            "choose the family that the checkpoint was trained with"
        )


class UnsupportedTokenizer(PromptError):
    """A tokenizer file is of a kind from which markers cannot be kept apart from text."""


class BudgetTooSmall(PromptError):
    """A token budget leaves no room for text next to the markers."""

    def __init__(self, max_tokens: int, min_tokens: int) -> None:
        super().__init__(
            f"the prompt budget is {max_tokens} tokens and this layout needs at least "
            f"{min_tokens}; raise the budget or send fewer prompt parts"
        )


class InvalidFamilyTable(PromptError):
    """An entry of the table of families contradicts itself."""
