"""OpenAI's legacy completions with `suffix`, and its list of models.

`POST /v1/completions` answers whole or as server-sent events; `GET /v1/models` and
`GET /v1/models/{model}` name what is served. Every client built on the `openai` packages works.
"""

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import accumulate

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve import __version__
from fimserve.engine import CompletionRequest, TokenLogprob, Usage
from fimserve.server.answer import RecordStream, encode_record, openai_error_body
from fimserve.server.body import read_json_object
from fimserve.server.errors import ClientDisconnected, InternalError, ServerError
from fimserve.server.parse import describe_body, parse_fields
from fimserve.server.request_log import record_of
from fimserve.server.routes.openai_fields import CompletionFields, to_completion_request
from fimserve.server.run import FinishedCompletion, collect_completion, run_completion
from fimserve.server.service import Service, service_of

__all__ = ["router"]

logger = logging.getLogger(__name__)

router = APIRouter(tags=["openai"])

EVENT_STREAM = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


@router.post("/v1/completions", openapi_extra=describe_body(CompletionFields))
async def create_completion(request: Request) -> Response:
    """Complete a prompt, or fill in between prompt and suffix."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(CompletionFields, body)
    model = service.names.resolve(fields.model, service.engine.stats().adapters)
    head = _Head(model.name)
    asked = to_completion_request(fields, service.settings, model.adapter)
    if fields.stream:
        record_of(request).is_streamed = True
        includes_usage = bool(fields.stream_options and fields.stream_options.include_usage)
        return RecordStream(_events(asked, request, head, includes_usage), EVENT_STREAM)
    return JSONResponse(_whole(head, await collect_completion(asked, request)))


@router.get("/v1/models")
async def list_models(request: Request) -> JSONResponse:
    """List the names under which the model is served."""
    service = service_of(request)
    names = (*service.names.listed, *service.engine.stats().adapters)
    models = [_model(name, service) for name in names]
    return JSONResponse({"object": "list", "data": models})


@router.get("/v1/models/{model:path}")
async def get_model(request: Request, model: str) -> JSONResponse:
    """Describe one served model."""
    service = service_of(request)
    resolved = service.names.resolve(model, service.engine.stats().adapters)
    return JSONResponse(_model(resolved.name, service))


@dataclass(frozen=True, slots=True)
class _Head:
    """What every record of one answer begins with."""

    model: str
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def record(self, choices: list[dict[str, object]], **further: object) -> dict[str, object]:
        """Return one record with these choices and further keys."""
        head = {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
        }
        return head | {"choices": choices} | further


def _whole(head: _Head, completion: FinishedCompletion) -> dict[str, object]:
    usage = completion.usage
    return head.record(
        [
            _choice(index, choice.text, choice.finish_reason, choice.logprobs)
            for index, choice in enumerate(completion.choices)
        ],
        usage=_usage(usage),
        system_fingerprint=f"fimserve-{__version__}",
        timings={
            "queue_ms": round(usage.queue_ms, 3),
            "ttft_ms": round(usage.ttft_ms, 3),
            "e2e_ms": round(usage.e2e_ms, 3),
        },
    )


async def _events(
    asked: CompletionRequest, request: Request, head: _Head, includes_usage: bool
) -> AsyncGenerator[bytes]:
    is_started = False
    usage: Usage | None = None
    try:
        async with aclosing(run_completion(asked, request)) as deltas:
            async for delta in deltas:
                usage = delta.usage
                if delta.text or delta.finish_reason is not None:
                    is_started = True
                    choice = _choice(delta.index, delta.text, delta.finish_reason, delta.logprobs)
                    yield _event(head.record([choice]))
        if includes_usage and usage is not None:
            yield _event(head.record([], usage=_usage(usage)))
    except ClientDisconnected:
        raise
    except Exception as error:
        if not is_started:
            raise
        # The status is sent: the rest of the story goes into the stream.
        yield _event(openai_error_body(_failure_inside_stream(error, request)))
    yield DONE


def _failure_inside_stream(error: Exception, request: Request) -> ServerError:
    request_id = record_of(request).request_id
    status = error.status if isinstance(error, ServerError) else InternalError.status
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request_id=%s failed inside its stream", request_id, exc_info=error)
    if isinstance(error, ServerError):
        return error
    return InternalError(f"fimserve failed; see request {request_id}.")


def _event(record: dict[str, object]) -> bytes:
    return b"data: " + encode_record(record) + b"\n\n"


def _choice(
    index: int, text: str, finish_reason: str | None, logprobs: Sequence[TokenLogprob]
) -> dict[str, object]:
    return {
        "index": index,
        "text": text,
        "logprobs": _logprobs(logprobs) if logprobs else None,
        "finish_reason": finish_reason,
    }


def _logprobs(entries: Sequence[TokenLogprob]) -> dict[str, object]:
    """Return OpenAI's parallel lists; offsets count from the first token of this record."""
    tokens = [_spell(entry.token_bytes) for entry in entries]
    offsets = accumulate((len(token) for token in tokens[:-1]), initial=0)
    return {
        "tokens": tokens,
        "token_logprobs": [entry.logprob for entry in entries],
        "top_logprobs": [
            {_spell(token_bytes): logprob for _, token_bytes, logprob in entry.top}
            for entry in entries
        ],
        "text_offset": list(offsets),
    }


def _spell(token_bytes: bytes) -> str:
    return token_bytes.decode("utf-8", "replace")


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _model(name: str, service: Service) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": service.started_unix_s,
        "owned_by": "fimserve",
    }
