"""Waits for what another thread does."""

import threading
from collections.abc import Callable


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return once something is so, at the latest in ten seconds.

    Args:
        is_so: Asked again and again.

    Raises:
        AssertionError: If it never was.
    """
    for _ in range(1000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never was")
