"""Answers in OpenAI's legacy shape: whole, or as server-sent events that end in `[DONE]`.

DeepSeek's dialect answers in the same shape with further counts. Knows nothing of what was asked.
"""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import TypeAlias

from starlette.requests import Request

from fimserve import __version__
from fimserve.engine import CompletionDelta, CompletionRequest, Usage
from fimserve.server.answer import encode_record, openai_error_body
from fimserve.server.errors import ClientDisconnected, InternalError, ServerError
from fimserve.server.request_log import record_of
from fimserve.server.routes.openai_logprobs import LogprobLists
from fimserve.server.run import FinishedChoice, FinishedCompletion, run_completion

__all__ = [
    "DONE",
    "EVENT_STREAM",
    "CompletionAnswer",
    "describe_usage",
    "encode_event",
    "to_stream_failure",
]

logger = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"

UsageShape: TypeAlias = Callable[[Usage], dict[str, object]]
"""Says a request's counts in a dialect's way."""


class CompletionAnswer:
    """Writes the answer to one request.

    Args:
        model: Name that it carries.
        usage_shape: How it says its counts.
    """

    def __init__(self, model: str, usage_shape: UsageShape | None = None) -> None:
        self._head: dict[str, object] = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._event_start = b"data: " + encode_record(self._head)[:-1] + b',"choices":['
        self._usage_shape = usage_shape or describe_usage

    @property
    def id(self) -> str:
        """Id of the completion."""
        return str(self._head["id"])

    def whole(self, completion: FinishedCompletion) -> dict[str, object]:
        """Return the body of an answer that is not streamed.

        Args:
            completion: What was written.

        Returns:
            The JSON object.
        """
        choices = [_whole_choice(i, choice) for i, choice in enumerate(completion.choices)]
        return self._head | {"choices": choices} | self._counts(completion.usage)

    async def events(
        self, asked: CompletionRequest, request: Request, includes_usage: bool
    ) -> AsyncGenerator[bytes]:
        """Yield the records of a streamed answer.

        A failure before the first record is raised; a later one becomes a record.

        Args:
            asked: What to complete.
            request: The HTTP request that asked.
            includes_usage: Whether a record without choices tells counts and times.

        Yields:
            bytes: One event.

        Raises:
            ClientDisconnected: If the client left.
            Exception: What failed before the first record.
        """
        lists = [LogprobLists() for _ in range(asked.n)]
        is_started = False
        usage: Usage | None = None
        try:
            async with aclosing(run_completion(asked, request)) as deltas:
                async for delta in deltas:
                    usage = delta.usage
                    lists[delta.index].add(delta.text, delta.logprobs)
                    if delta.text or delta.finish_reason is not None:
                        is_started = True
                        yield self._event(delta, lists[delta.index])
            if includes_usage and usage is not None:
                yield encode_event(self._head | {"choices": []} | self._counts(usage))
        except ClientDisconnected:
            raise
        except Exception as error:
            if not is_started:
                raise
            # The status is sent: the rest of the story goes into the stream.
            yield encode_event(openai_error_body(to_stream_failure(error, request)))
        yield DONE

    def _counts(self, usage: Usage) -> dict[str, object]:
        return {
            "usage": self._usage_shape(usage),
            "system_fingerprint": f"fimserve-{__version__}",
            "timings": {
                "queue_ms": round(usage.queue_ms, 3),
                "ttft_ms": round(usage.ttft_ms, 3),
                "e2e_ms": round(usage.e2e_ms, 3),
            },
        }

    def _event(self, delta: CompletionDelta, lists: LogprobLists) -> bytes:
        """Return the event of a delta; what all of them begin with is encoded already."""
        is_last = delta.finish_reason is not None
        choice = _choice(delta.index, delta.text, lists.take(is_last), delta.finish_reason)
        return self._event_start + encode_record(choice) + b"]}\n\n"


def describe_usage(usage: Usage) -> dict[str, object]:
    """Return the counts of a request as OpenAI says them."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def encode_event(record: object) -> bytes:
    """Return one server-sent event."""
    return b"data: " + encode_record(record) + b"\n\n"


def to_stream_failure(error: Exception, request: Request) -> ServerError:
    """Return how a failure is told once an answer has begun; defects are logged, not told.

    Args:
        error: What went wrong.
        request: The HTTP request whose answer it ends.

    Returns:
        The failure in words for the client.
    """
    request_id = record_of(request).request_id
    status = error.status if isinstance(error, ServerError) else InternalError.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request_id=%s failed inside its stream", request_id, exc_info=error)
    if isinstance(error, ServerError):
        return error
    return InternalError(f"fimserve failed; see request {request_id}.")


def _whole_choice(index: int, choice: FinishedChoice) -> dict[str, object]:
    lists = LogprobLists()
    lists.add(choice.text, choice.logprobs)
    return _choice(index, choice.text, lists.take(is_last=True), choice.finish_reason)


def _choice(
    index: int, text: str, logprobs: dict[str, object] | None, finish_reason: str | None
) -> dict[str, object]:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}
