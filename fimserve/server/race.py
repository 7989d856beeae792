"""The race between an engine's answer, the client that may leave, and the clock.

Knows nothing of requests and dialects.
"""

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Receive

from fimserve.engine import CompletionDelta
from fimserve.server.errors import ClientDisconnected

__all__ = ["TimeUp", "race"]


class TimeUp(Exception):
    """The deadline came before the engine's own end."""


async def race(
    opened: AsyncGenerator[CompletionDelta], receive: Receive, due_s: float | None
) -> AsyncGenerator[CompletionDelta]:
    """Yield what the engine says while the client is there and there is time.

    Args:
        opened: The engine's answer; closed when this ends, for whatever reason.
        receive: Source of the news that the client left.
        due_s: When the answer has to be over, by the event loop's clock; None = it may take its
            time.

    Yields:
        CompletionDelta: What the engine says.

    Raises:
        ClientDisconnected: If the client left.
        TimeUp: If the engine has not ended by then.
    """
    # Waiting for the engine alone would notice a closed connection only at the next write, and
    # on a route that does not stream never.
    loop = asyncio.get_running_loop()
    left = asyncio.ensure_future(_wait_for_disconnect(receive))
    step: asyncio.Future[CompletionDelta | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(_next_delta(opened))
            wait_s = None if due_s is None else max(0.0, due_s - loop.time())
            await asyncio.wait({step, left}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                raise ClientDisconnected("The client closed the connection.")
            if not step.done():
                raise TimeUp
            if (delta := step.result()) is None:
                return
            yield delta
    finally:
        left.cancel()
        if step is not None:
            await _give_up(step)
        await opened.aclose()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next_delta(opened: AsyncGenerator[CompletionDelta]) -> CompletionDelta | None:
    return await anext(opened, None)


async def _give_up(step: asyncio.Future[CompletionDelta | None]) -> None:
    # A generator cannot be closed while it runs: cancel its current step and see it end.
    step.cancel()
    await asyncio.wait({step})
    if not step.cancelled():
        step.exception()  # seen, so that asyncio does not report it as lost
