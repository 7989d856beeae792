"""Runs one completion for any dialect: races the engine against the client and the clock.

A client that leaves ends the work; a deadline ends the answer with what is written by then, whether
or not the engine has noticed. Translates the errors of the rooms below, keeps the request's record,
and knows nothing of the shape in which a dialect answers.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from starlette.requests import Request

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
from fimserve.server.deadline import time_left_ms
from fimserve.server.errors import (
    BadRequest,
    EngineBusy,
    EngineUnavailable,
    InternalError,
    RequestCancelled,
)
from fimserve.server.principal import principal_of
from fimserve.server.race import TimeUp, race
from fimserve.server.request_log import RequestRecord, record_of
from fimserve.server.served_arm import ServedArm
from fimserve.server.service import CompletionEngine, service_of

__all__ = [
    "FinishReason",
    "FinishedChoice",
    "FinishedCompletion",
    "collect_completion",
    "run_completion",
]

FinishReason = Literal["stop", "length"]

ANSWERING_MS = 3.0
"""Part of a deadline that is kept for bringing the answer out."""
NOTICING_MS = 2.0
"""Further part by which the engine is to end first: it knows best what the answer is."""


@dataclass(frozen=True, slots=True)
class FinishedChoice:
    """One of the completions of a request."""

    text: str
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] = ()
    token_ids: tuple[int, ...] = ()


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
    """
    async with aclosing(_run(_complete_request(asked, request), request)) as deltas:
        async for delta in deltas:
            yield delta


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
    asked = _complete_request(asked, request)
    if asked.deadline_ms is not None and asked.trim:
        # In pieces: should the engine miss the deadline, what has come is the answer. Trimmed text
        # comes in whole lines; other text only the engine can cut back to them.
        asked = replace(asked, streamed=True)
    deltas: list[CompletionDelta] = []
    async with aclosing(_run(asked, request)) as arriving:
        async for delta in arriving:
            deltas.append(delta)
    usage = deltas[-1].usage
    if usage is None:
        raise InternalError("The engine ended without usage.")
    return FinishedCompletion(tuple(_join(deltas, index) for index in range(asked.n)), usage)


def _complete_request(asked: CompletionRequest, request: Request) -> CompletionRequest:
    """Return the request as it is let in: capped, with its tenant and the time that is left."""
    return replace(
        apply_caps(asked, service_of(request).settings),
        tenant=principal_of(request).tenant,
        deadline_ms=time_left_ms(asked.deadline_ms, request),
    )


async def _run(asked: CompletionRequest, request: Request) -> AsyncGenerator[CompletionDelta]:
    """Yield the engine's deltas, and the end of every choice at the deadline at the latest."""
    record = record_of(request)
    due_s = None
    if (left_ms := asked.deadline_ms) is not None:
        left_ms -= ANSWERING_MS
        if left_ms <= NOTICING_MS:
            raise EngineBusy(
                f"The deadline is in {asked.deadline_ms:.0f} ms; nothing is written by then."
            )
        due_s = asyncio.get_running_loop().time() + left_ms / 1000
        asked = replace(asked, deadline_ms=left_ms - NOTICING_MS)
    told = _Told(asked.n)
    with _translated_errors(record), service_of(request).right_of_way.taken():
        opened = _open(asked, request)
        try:
            async with aclosing(race(opened, request.receive, due_s)) as deltas:
                async for delta in deltas:
                    told.add(delta)
                    if delta.usage is not None:
                        record.usage, record.finish = delta.usage, delta.finish_reason
                    if delta.finish_reason == "cancelled":
                        raise RequestCancelled("The request was cancelled before it was complete.")
                    if delta.usage is not None:
                        _look_at_place(asked, told.text, request)
                    yield delta
        except TimeUp:
            if asked.max_tokens and not told.has_news:
                raise EngineBusy("Nothing was written by the deadline.") from None
            _look_at_place(asked, told.text, request)
            for delta in told.make_ends(record.elapsed_ms):
                record.usage, record.finish = delta.usage, delta.finish_reason
                yield delta
        if record.usage is None:
            raise InternalError("The engine ended without usage.")


def _open(asked: CompletionRequest, request: Request) -> AsyncGenerator[CompletionDelta]:
    """Return the engine's answer, to the request as an experiment has it where there is one."""
    service = service_of(request)
    if service.arms is None:
        return service.engine.open(asked)
    armed = service.arms.serve(asked, request)
    served = record_of(request).served
    if served is None:
        return service.engine.open(armed)
    return _open_arm(service.engine, armed, asked, served)


def _look_at_place(asked: CompletionRequest, text: str, request: Request) -> None:
    """Have it found out which syntax was completed, where events may ask for it."""
    if (kinds := service_of(request).kinds) is not None:
        kinds.look(asked, text, request)


async def _open_arm(
    engine: CompletionEngine, armed: CompletionRequest, asked: CompletionRequest, served: ServedArm
) -> AsyncGenerator[CompletionDelta]:
    """Yield what an arm's users get: later in a delay arm, and as usual where it cannot be."""
    if served.delay_ms:
        await asyncio.sleep(served.delay_ms / 1000)
        if armed.deadline_ms is not None:
            left_ms = max(0.0, armed.deadline_ms - served.delay_ms)
            armed, asked = (replace(one, deadline_ms=left_ms) for one in (armed, asked))
    is_begun = False
    try:
        async with aclosing(engine.open(armed)) as deltas:
            async for delta in deltas:
                is_begun = True
                yield delta
        return
    except InvalidRequest:
        if is_begun or armed == asked:
            raise
    # An adapter that was unloaded a moment ago, or an order that the model does not know.
    served.fall_back()
    async with aclosing(engine.open(asked)) as deltas:
        async for delta in deltas:
            yield delta


class _Told:
    """Remembers what was told of a request, to end it where the engine does not.

    Args:
        num_choices: Completions asked for.
    """

    def __init__(self, num_choices: int) -> None:
        self._open = set(range(num_choices))
        self.has_news = False
        """Whether a text was told, or that there is none."""
        self.text = ""
        """The first completion so far."""
        self._num_tokens = 0
        self._num_prompt_tokens = 0

    def add(self, delta: CompletionDelta) -> None:
        """Note a delta."""
        self._num_tokens += len(delta.token_ids)
        self._num_prompt_tokens = max(self._num_prompt_tokens, delta.prompt_tokens)
        self.text += delta.text if delta.index == 0 else ""
        self.has_news = self.has_news or bool(delta.text) or delta.finish_reason is not None
        if delta.finish_reason is not None:
            self._open.discard(delta.index)

    def make_ends(self, elapsed_ms: float) -> list[CompletionDelta]:
        """Return the last delta of every choice that has none.

        Args:
            elapsed_ms: Time since the request came.

        Returns:
            At least one delta; the last one has the usage, as far as it is known here.
        """
        usage = Usage(self._num_prompt_tokens, 0, self._num_tokens, 0.0, elapsed_ms, elapsed_ms)
        *others, last = sorted(self._open) or [0]
        ends = [CompletionDelta("", (), "length", index=index) for index in others]
        return [*ends, CompletionDelta("", (), "length", usage, last)]


def _join(deltas: list[CompletionDelta], index: int) -> FinishedChoice:
    mine = [delta for delta in deltas if delta.index == index]
    reason = mine[-1].finish_reason if mine else None
    if reason is None or reason == "cancelled":
        raise InternalError("The engine ended without a finish reason.")
    return FinishedChoice(
        text="".join(delta.text for delta in mine),
        finish_reason=reason,
        logprobs=tuple(entry for delta in mine for entry in delta.logprobs),
        token_ids=tuple(token_id for delta in mine for token_id in delta.token_ids),
    )


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
