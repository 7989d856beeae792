"""Completions go first: reports of what became of them wait until none is being computed.

The threads of a step wait for each other a hundred times, so that a millisecond of other work on
their cores costs a completion more than a millisecond (docs/LOG.md, 2026-11-24). Somebody looks at
the screen for a completion; nobody does for the answer to a batch of events. So a request for a
path that its route module names in `GIVES_WAY` is taken in, as it may be the last word of a page
that is being closed, and goes on when there is a gap, or when it has waited for as long as it has
to.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MAX_HELD_BYTES", "MAX_WAIT_S", "GiveWay", "RightOfWay"]

MAX_WAIT_S = 0.25
"""Longest wait for a gap: two or three completions of a small model on two cores, and far less than
any client waits for an answer. A service that always computes answers events this much later."""

MAX_HELD_BYTES = 256 * 1024
"""Of a body that are taken in ahead of the gap: a thousand events. The rest is read behind it."""


class RightOfWay:
    """Knows whether completions are being computed.

    Belongs to one event loop.

    Args:
        max_wait_s: Longest that anybody gives way.
    """

    def __init__(self, max_wait_s: float = MAX_WAIT_S) -> None:
        self.max_wait_s = max_wait_s
        """Longest that anybody gives way."""
        self._num_going = 0
        self._is_free = asyncio.Event()
        self._is_free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Go first for the length of a `with` block.

        Yields:
            None: Nothing.
        """
        self._num_going += 1
        self._is_free.clear()
        try:
            yield
        finally:
            self._num_going -= 1
            if not self._num_going:
                self._is_free.set()

    @property
    def is_taken(self) -> bool:
        """Whether somebody goes first now."""
        return self._num_going > 0

    async def wait(self) -> None:
        """Wait until nobody goes first, however long that takes."""
        while self._num_going:  # the next one may have begun already
            await self._is_free.wait()


class GiveWay:
    """ASGI middleware that lets completions go first.

    Args:
        app: What answers.
        right_of_way: Who goes first.
        paths: Paths that wait.
    """

    def __init__(self, app: ASGIApp, right_of_way: RightOfWay, paths: Collection[str]) -> None:
        self._app = app
        self._right_of_way = right_of_way
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, those that give way when it is time.

        Args:
            scope: The request.
            receive: Handed on.
            send: Handed on.
        """
        if scope["type"] == "http":
            # The path as routes see it, below whatever a proxy mounts the service at.
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path in self._paths and self._right_of_way.is_taken:
                receive = await self._wait(receive)
        await self._app(scope, receive, send)

    async def _wait(self, receive: Receive) -> Receive:
        """Return what gives the request's messages once it may go on.

        Who has sent a body and left is not heard by a server that reads it only then.
        """
        held: deque[Message] = deque()

        async def receive_held() -> Message:
            return held.popleft() if held else await receive()

        with suppress(TimeoutError):
            async with asyncio.timeout(self._right_of_way.max_wait_s):
                await _take_in(receive, held)
                await self._right_of_way.wait()
        return receive_held


async def _take_in(receive: Receive, held: deque[Message]) -> None:
    """Receive a body's messages, to its end or to `MAX_HELD_BYTES`."""
    size = 0
    while size < MAX_HELD_BYTES:
        message = await receive()
        held.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
