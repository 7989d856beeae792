"""What experiments, arms and layers may be called.

Shorter and narrower than an event's names: users in several layers have theirs joined into one.
"""

import re

from fimserve.telemetry.errors import ExperimentError

__all__ = ["JOINT", "check_name"]

JOINT = "+"
"""Between the names of experiments, and of arms, that one user is in at once."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def check_name(what: str, name: object) -> None:
    """Refuse what is no name.

    Args:
        what: What would be called so, for the message.
        name: Any value.

    Raises:
        ExperimentError: If it is none.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ExperimentError(
            f"{what} is {name!r}; use 1 to 40 of A-Z a-z 0-9 . _ -, the first a letter or digit"
        )
