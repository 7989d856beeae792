"""One request per document, and how the others end."""

import asyncio
from collections.abc import Callable

import pytest

from fimserve.lsp.running import ContentMoved, RunningRequests

A, B = "file:///w/a.py", "file:///w/b.py"


async def answer(running: RunningRequests, uri: str) -> str:
    """Answer a request for ever."""
    with running.only(uri):
        await asyncio.Event().wait()
    return "answered"


async def outcome(uri: str, event: Callable[[RunningRequests], None]) -> str:
    """Return how a request ends when something happens, or that it goes on."""
    running = RunningRequests()
    task = asyncio.create_task(answer(running, uri))
    await asyncio.sleep(0)
    event(running)
    await asyncio.wait({task}, timeout=0.05)
    if not task.done():
        task.cancel()
        return "runs"
    if task.cancelled():
        return "cancelled"
    return type(task.exception()).__name__


def ask_again(uri: str) -> Callable[[RunningRequests], None]:
    """Return what makes a newer request."""

    def ask(running: RunningRequests) -> None:
        task = asyncio.create_task(answer(running, uri))
        asyncio.get_running_loop().call_later(0.1, task.cancel)

    return ask


@pytest.mark.parametrize(
    ("event", "ending"),
    [
        (ask_again(A), "cancelled"),
        (ask_again(B), "runs"),
        (lambda running: running.move(A), "ContentMoved"),
        (lambda running: running.move(B), "runs"),
        (lambda running: running.cancel(A), "cancelled"),
        (lambda running: running.cancel_all(), "cancelled"),
    ],
)
def test_request_ends_as_the_protocol_has_it(
    event: Callable[[RunningRequests], None], ending: str
) -> None:
    assert asyncio.run(outcome(A, event)) == ending


def test_request_that_is_done_is_forgotten() -> None:
    async def scenario() -> None:
        running = RunningRequests()
        with running.only(A):
            pass
        running.move(A)
        await asyncio.sleep(0)  # a cancellation would arrive here

    asyncio.run(scenario())


def test_older_request_that_ends_late_leaves_the_newer_alone() -> None:
    async def scenario() -> None:
        running = RunningRequests()
        older = asyncio.create_task(answer(running, A))
        await asyncio.sleep(0)
        newer = asyncio.create_task(answer(running, A))
        await asyncio.wait({older})
        running.move(A)
        with pytest.raises(ContentMoved):
            await newer

    asyncio.run(scenario())
