"""How a command says that it cannot do what was asked: one message, one exit code.

Exit codes: 0 done, 1 could not be done, 2 wrong use (an argument, an option or a setting), and
130 stopped by Ctrl+C.
"""

import sys

__all__ = ["Failure", "UsageFailure", "print_failure"]


class Failure(Exception):
    """A command ends without having done its work; the message says why and what to do."""

    exit_code = 1


class UsageFailure(Failure):
    """An argument, option or setting is wrong."""

    exit_code = 2


def print_failure(failure: Failure) -> None:
    """Print why a command failed, to standard error.

    Args:
        failure: What went wrong.
    """
    print(f"fimserve: {failure}", file=sys.stderr)
