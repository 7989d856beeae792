"""Users who differ: how much they ask, what they accept and keep, where they type."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from fimeval.simulation.settings import SimulationSettings

__all__ = ["User", "draw_user", "to_log_odds", "to_probability"]

LANGUAGES = ("python", "typescript", "go", "java", "rust")
LANGUAGE_SHARES = (0.4, 0.25, 0.15, 0.12, 0.08)
EDITORS = ("vscode", "neovim", "jetbrains")
EDITOR_SHARES = (0.7, 0.15, 0.15)


@dataclass(frozen=True, slots=True)
class User:
    """One simulated user."""

    hash: str
    """What events call him."""
    per_day: float
    """Suggestions that he is offered on a working day."""
    acceptance: float
    """Log-odds of accepting, kind and latency apart."""
    persistence: float
    """Log-odds of an accepted suggestion being there after 30 s."""
    network_ms: float
    """What his network adds to a latency."""
    language: str
    editor: str
    first_day: int
    """Day on which he begins: some are new."""


def draw_user(settings: SimulationSettings, number: int, rng: np.random.Generator) -> User:
    """Return one user.

    Args:
        settings: How users differ.
        number: Which one.
        rng: Chance of this user alone.

    Returns:
        The user, the same for the same seed and number.
    """
    named = f"simulated {settings.seed} {number}".encode()
    is_new = rng.random() < 0.2
    return User(
        hash=hashlib.sha256(named).hexdigest()[:32],
        per_day=settings.per_day * rng.lognormal(0.0, settings.activity_spread),
        acceptance=to_log_odds(rng.beta(*settings.acceptance)),
        persistence=to_log_odds(rng.beta(*settings.persistence)),
        network_ms=float(rng.lognormal(3.0, 0.6)),
        language=str(rng.choice(LANGUAGES, p=LANGUAGE_SHARES)),
        editor=str(rng.choice(EDITORS, p=EDITOR_SHARES)),
        first_day=int(rng.integers(settings.days)) if is_new else 0,
    )


def to_log_odds(probability: float) -> float:
    """Return the logarithm of the odds; the ends are cut off."""
    inside = min(max(float(probability), 1e-4), 1 - 1e-4)
    return math.log(inside / (1 - inside))


def to_probability(log_odds: float) -> float:
    """Return the probability of log-odds."""
    return 1 / (1 + math.exp(-log_odds))
