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
        Exception: Whatever else the engine fails with.
    """
    # Waiting for the engine alone would notice a closed connection only at the next write, and
    # on a route that does not stream never. A task for each step would cost several times what the
    # step does, so both ways out are the one timeout around the step that is waited for.
    left = asyncio.ensure_future(_wait_for_disconnect(receive))
    limit: asyncio.Timeout | None = None

    def give_up(_: object) -> None:
        if limit is not None and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())

    left.add_done_callback(give_up)
    try:
        while True:
            delta, limit = None, asyncio.timeout_at(due_s)
            try:
                async with limit:
                    delta = await anext(opened, None)
            except Exception:  # whatever a step that is given up makes of it
                if not limit.expired():
                    raise
            if left.done():
                raise ClientDisconnected("The client closed the connection.")
            if delta is None and limit.expired():
                raise TimeUp
            limit = None
            if delta is None:
                return
            yield delta
            # The news that the client left has its turn, though the engine may never wait.
            await asyncio.sleep(0)
    finally:
        limit = None
        left.cancel()
        await opened.aclose()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
