"""Mistral's FIM completions: chat-shaped answers, and errors that its SDK understands.

The SDK checks every record it reads, so each has choices with a `finish_reason` key and a
`content` that is text, also the last; a failure inside a stream ends it with the reason "error",
since an error record would be one more that fails the check.
"""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve.engine import CompletionRequest, Usage
from fimserve.server.answer import RecordStream
from fimserve.server.body import read_json_object
from fimserve.server.deadline import DEADLINE_HEADER
from fimserve.server.dialect import ErrorShape
from fimserve.server.errors import BadRequest, ClientDisconnected, ServerError
from fimserve.server.openapi import describe_statuses
from fimserve.server.parse import MISSING, describe_body, parse_fields
from fimserve.server.request_log import record_of
from fimserve.server.routes.mistral_fields import FimFields, to_completion_request
from fimserve.server.routes.openai_answer import (
    DONE,
    EVENT_STREAM,
    encode_event,
    to_stream_failure,
)
from fimserve.server.run import FinishedCompletion, collect_completion, run_completion
from fimserve.server.service import service_of

__all__ = ["ERROR_SHAPES", "router"]

router = APIRouter(tags=["mistral"])

UNPROCESSABLE = 422
"""Status of a body that does not fit; the only one whose details the SDK reads."""


@router.post(
    "/v1/fim/completions",
    responses=describe_statuses(UNPROCESSABLE),
    openapi_extra=describe_body(FimFields),
)
async def create_fim_completion(request: Request) -> Response:
    """Fill in between prompt and suffix."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(FimFields, body)
    model = service.names.resolve_or_served(fields.model, service.engine.stats().adapters)
    asked = to_completion_request(fields, service.settings, model.adapter)
    answer = _Answer(model.name)
    record_of(request).completion_id = answer.id
    if fields.stream:
        record_of(request).is_streamed = True
        return RecordStream(answer.events(asked, request), EVENT_STREAM)
    return JSONResponse(answer.whole(await collect_completion(asked, request)))


class _Answer:
    """Writes the answer to one request."""

    def __init__(self, model: str) -> None:
        self.id = f"fim-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._model = model

    def whole(self, completion: FinishedCompletion) -> dict[str, object]:
        (choice,) = completion.choices
        message = {"role": "assistant", "content": choice.text, "tool_calls": None}
        return self._head("chat.completion") | {
            "choices": [{"index": 0, "message": message, "finish_reason": choice.finish_reason}],
            "usage": _describe_usage(completion.usage),
        }

    async def events(self, asked: CompletionRequest, request: Request) -> AsyncGenerator[bytes]:
        is_started = False
        try:
            async with aclosing(run_completion(asked, request)) as deltas:
                async for delta in deltas:
                    if not is_started:
                        yield self._chunk("", role="assistant")
                        is_started = True
                    if delta.text or delta.finish_reason is not None:
                        yield self._chunk(delta.text, delta.finish_reason, delta.usage)
        except ClientDisconnected:
            raise
        except Exception as error:
            if not is_started:
                raise
            to_stream_failure(error, request)  # logged; the stream has no words for it
            yield self._chunk("", "error")
        yield DONE

    def _chunk(
        self,
        text: str,
        finish_reason: str | None = None,
        usage: Usage | None = None,
        **role: str,
    ) -> bytes:
        choice = {"index": 0, "delta": role | {"content": text}, "finish_reason": finish_reason}
        record = self._head("chat.completion.chunk") | {"choices": [choice]}
        if usage is not None:
            record["usage"] = _describe_usage(usage)
        return encode_event(record)

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self._created, "model": self._model}


def _describe_usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _shape_error(error: ServerError) -> Response:
    if isinstance(error, BadRequest):
        return JSONResponse({"detail": [_describe_problem(error)]}, UNPROCESSABLE, error.headers)
    body = {
        "object": "error",
        "message": error.message,
        "type": error.code or "internal_error",
        "param": error.param,
        "code": str(int(error.status)),
    }
    return JSONResponse(body, int(error.status), error.headers)


def _describe_problem(error: BadRequest) -> dict[str, object]:
    place = "header" if error.param == DEADLINE_HEADER else "body"
    is_missing = error.code == MISSING
    return {
        "loc": [place, *([error.param] if error.param else [])],
        "msg": "field required" if is_missing else error.message,
        "type": "missing" if is_missing else "value_error",
    }


ERROR_SHAPES: dict[str, ErrorShape] = {"/v1/fim/": _shape_error}
