"""Runs one completion for any dialect: races the engine against the client leaving.

Translates the errors of the rooms below, keeps the request's record, and knows nothing of the
shape in which a dialect answers.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from starlette.requests import Request
from starlette.types import Receive

from fimserve.engine import (
    BrokenEngine,
    CompletionDelta,
    CompletionRequest,
    EngineClosed,
    InvalidRequest,
    QueueFull,
    TokenLogprob,
    Usage,
)
from fimserve.server.caps import apply_caps
from fimserve.server.errors import (
    BadRequest,
    ClientDisconnected,
    EngineBusy,
    EngineUnavailable,
    InternalError,
    RequestCancelled,
)
from fimserve.server.principal import principal_of
from fimserve.server.request_log import RequestRecord, record_of
from fimserve.server.service import service_of

__all__ = [
    "FinishReason",
    "FinishedChoice",
    "FinishedCompletion",
    "collect_completion",
    "run_completion",
]

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class FinishedChoice:
    """One of the completions of a request."""

    text: str
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class FinishedCompletion:
    """The whole answer to a request."""

    choices: tuple[FinishedChoice, ...]
    usage: Usage


async def run_completion(
    asked: CompletionRequest, request: Request
) -> AsyncGenerator[CompletionDelta]:
    """Yield the deltas of one request; the last one has the usage.

    The engine's generator is closed before this one ends, in every case. What the engine raises
    comes out as the service's error where it has one, and as it is otherwise; a client that left
    as ClientDisconnected.

    Args:
        asked: What to complete.
        request: The HTTP request that asked; its body has been read.

    Yields:
        CompletionDelta: What the engine says.

    Raises:
        InternalError: If the engine ends without usage.
        RequestCancelled: If the engine gave the request up.
    """
    record = record_of(request)
    service = service_of(request)
    asked = replace(apply_caps(asked, service.settings), tenant=principal_of(request).tenant)
    is_finished = False
    with _translated_errors(record):
        opened = service.engine.open(asked)
        async with aclosing(_until_disconnect(opened, request.receive)) as deltas:
            async for delta in deltas:
                if delta.usage is not None:
                    is_finished = True
                    record.usage, record.finish = delta.usage, delta.finish_reason
                if delta.finish_reason == "cancelled":
                    raise RequestCancelled("The request was cancelled before it was complete.")
                yield delta
        if not is_finished:
            raise InternalError("The engine ended without usage.")


async def collect_completion(asked: CompletionRequest, request: Request) -> FinishedCompletion:
    """Return a request's completions once they are whole; fails as `run_completion` does.

    Args:
        asked: What to complete.
        request: The HTTP request that asked; its body has been read.

    Returns:
        Texts, finish reasons and usage.

    Raises:
        InternalError: If the engine ends without saying how a completion ended.
    """
    deltas: list[CompletionDelta] = []
    async with aclosing(run_completion(asked, request)) as arriving:
        async for delta in arriving:
            deltas.append(delta)
    usage = deltas[-1].usage
    if usage is None:
        raise InternalError("The engine ended without usage.")
    return FinishedCompletion(tuple(_join(deltas, index) for index in range(asked.n)), usage)


def _join(deltas: list[CompletionDelta], index: int) -> FinishedChoice:
    mine = [delta for delta in deltas if delta.index == index]
    reason = mine[-1].finish_reason if mine else None
    if reason is None or reason == "cancelled":
        raise InternalError("The engine ended without a finish reason.")
    return FinishedChoice(
        text="".join(delta.text for delta in mine),
        finish_reason=reason,
        logprobs=tuple(entry for delta in mine for entry in delta.logprobs),
    )


async def _until_disconnect(
    opened: AsyncGenerator[CompletionDelta], receive: Receive
) -> AsyncGenerator[CompletionDelta]:
    # Waiting for the engine alone would notice a closed connection only at the next write, and
    # on a route that does not stream never.
    left = asyncio.ensure_future(_wait_for_disconnect(receive))
    step: asyncio.Future[CompletionDelta | None] | None = None
    try:
        while True:
            step = asyncio.ensure_future(_next_delta(opened))
            await asyncio.wait({step, left}, return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                raise ClientDisconnected("The client closed the connection.")
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


@contextmanager
def _translated_errors(record: RequestRecord) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        translated = _translate(error)
        record.finish = type(translated).__name__
        if translated is error:
            raise
        raise translated from error


def _translate(error: Exception) -> Exception:
    """Return the service's error for one of the rooms below, or error itself."""
    match error:
        case InvalidRequest():
            return BadRequest(f"{error}.")
        case QueueFull():
            wait_s = max(1, math.ceil(error.retry_after_ms / 1000))
            return EngineBusy(f"{error}.", headers={"retry-after": str(wait_s)})
        case BrokenEngine():
            return EngineUnavailable(f"{error}.")
        case EngineClosed():
            return EngineUnavailable("fimserve is stopping and takes no more requests.")
        case _:
            return error
