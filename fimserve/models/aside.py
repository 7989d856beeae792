"""Work of torch's that must leave no threads behind.

Every thread that computes in parallel keeps a team of OpenMP threads for as long as it lives. As
soon as there are more of those than cores, GNU OpenMP lets a waiting thread sleep at once, instead
of spinning a little, and each of the hundred parallel regions of a step begins by waking it: on 2
cores a token took 4.9 ms instead of 3.0 ms (docs/LOG.md, 2026-11-24). So only the thread that runs
the steps may have a team; what else computes does it aside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

ResultT = TypeVar("ResultT")


def run_aside(work: Callable[[], ResultT]) -> ResultT:
    """Do some work in a thread that ends with it, and wait for that.

    What the work raises is raised here.

    Args:
        work: What to do.

    Returns:
        What it returns.
    """
    done: Future[ResultT] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    # A daemon: whoever interrupts the wait need not wait for the work.
    thread = threading.Thread(target=do, name="fimserve-aside", daemon=True)
    thread.start()
    thread.join()
    return done.result()
