"""What an arm does to its users: the truth that an experiment is to find."""

from typing import NamedTuple

from fimeval.errors import EvalError

__all__ = ["NO_EFFECT", "Effect", "parse_effect"]


class Effect(NamedTuple):
    """Changes that one arm makes, beside what the service itself does."""

    acceptance: float = 0.0
    """Added to the logarithm of the odds that a suggestion is accepted: 0.4 takes 30 % to 39 %."""
    persistence: float = 0.0
    """The same for an accepted suggestion being there later."""
    latency_ms: float = 0.0
    """Added to the time until a suggestion is there, where it is made up here."""
    errors: float = 0.0
    """Added to the share of requests without a suggestion."""


NO_EFFECT = Effect()


def parse_effect(text: str) -> tuple[str, Effect]:
    """Return arm and effect of `ARM:acceptance=0.4,latency_ms=50`.

    Args:
        text: What a user typed.

    Returns:
        Name of the arm, and what it does.

    Raises:
        EvalError: If the text is no such thing.
    """
    arm, colon, said = text.partition(":")
    try:
        pairs = [one.partition("=") for one in said.split(",")]
        effect = Effect(**{name.strip(): float(value) for name, _, value in pairs})
    except (TypeError, ValueError):
        effect = None
    if not arm or not colon or effect is None:
        names = ", ".join(Effect._fields)
        raise EvalError(f"effect is {text!r}; write ARM:NAME=NUMBER,..., names are {names}")
    return arm, effect
