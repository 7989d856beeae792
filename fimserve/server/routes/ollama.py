"""Ollama: `/api/generate` whole or as lines of JSON, and what describes the model.

Its greeting at `/` is in `root.py`; the rest of its `/api` paths (chat, embeddings, pulling models)
answer 404 in its error shape.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve.engine import CompletionRequest, TokenLogprob, Usage
from fimserve.server.answer import RecordStream, encode_record
from fimserve.server.body import read_json_object
from fimserve.server.errors import (
    ClientDisconnected,
    EngineBusy,
    ServerError,
    UnknownModel,
    UnsupportedField,
    shorten,
)
from fimserve.server.parse import describe_body, parse_fields
from fimserve.server.request_log import record_of
from fimserve.server.routes.ollama_fields import GenerateFields, ShowFields, to_completion_request
from fimserve.server.routes.ollama_models import (
    describe_model,
    list_models,
    list_running,
    write_time,
)
from fimserve.server.routes.openai_answer import to_stream_failure
from fimserve.server.run import collect_completion, run_completion
from fimserve.server.service import ResolvedModel, Service, service_of

__all__ = ["ERROR_SHAPES", "router"]

router = APIRouter(tags=["ollama"])

NDJSON = "application/x-ndjson"

SPOKEN_VERSION = "0.12.0"
"""The version of Ollama whose protocol this is; clients compare it before they use a field."""

NS_PER_MS = 1_000_000


def ollama_error(error: ServerError) -> JSONResponse:
    """Return the whole answer for an error in Ollama's shape."""
    # Ollama's own queue answers 503 when it is full; 429 is left to the limits of a key.
    is_queue = isinstance(error, EngineBusy)
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_queue else int(error.status)
    return JSONResponse({"error": error.message}, status, error.headers)


ERROR_SHAPES = {"/api/": ollama_error}


@router.get("/api/version")
@router.head("/api/version", include_in_schema=False)
async def get_version() -> JSONResponse:
    """Say which version of the protocol is spoken."""
    return JSONResponse({"version": SPOKEN_VERSION})


@router.get("/api/tags")
@router.head("/api/tags", include_in_schema=False)
async def get_tags(request: Request) -> JSONResponse:
    """List the names under which the model is served."""
    return JSONResponse(list_models(service_of(request)))


@router.get("/api/ps")
@router.head("/api/ps", include_in_schema=False)
async def get_running(request: Request) -> JSONResponse:
    """List the models in memory: the one that is served, and adapters over it."""
    return JSONResponse(list_running(service_of(request)))


@router.post("/api/show", openapi_extra=describe_body(ShowFields))
async def show_model(request: Request) -> JSONResponse:
    """Describe one served model: template, parameters, size and abilities."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(ShowFields, body)
    _resolve(service, fields.model or fields.name)
    return JSONResponse(describe_model(service))


@router.post("/api/generate", openapi_extra=describe_body(GenerateFields))
async def generate(request: Request) -> Response:
    """Complete a prompt, or fill in between prompt and suffix; without both, load the model."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(GenerateFields, body)
    model = _resolve(service, fields.model)
    if fields.load_reason is not None:
        # The model is there, and stays.
        return JSONResponse(_record(model.name, "", done=True, done_reason=fields.load_reason))
    if fields.suffix and service.engine.card.fim_family is None:
        raise UnsupportedField(f"{model.name} does not support insert", param="suffix")
    asked = to_completion_request(fields, service.settings, model.adapter)
    if fields.stream:
        record_of(request).is_streamed = True
        return RecordStream(_lines(asked, request, model.name), NDJSON)
    completion = await collect_completion(asked, request)
    choice = completion.choices[0]
    further = _logprobs(choice.logprobs) | _ending(choice.finish_reason, completion.usage)
    return JSONResponse(_record(model.name, choice.text, **further))


def _resolve(service: Service, asked: str | None) -> ResolvedModel:
    """Return what a model's name stands for; Ollama's tag for the usual variant is no part of it.

    Raises UnknownModel in Ollama's own words, which clients look for.
    """
    name = (asked or "").removesuffix(":latest")
    try:
        return service.names.resolve(name, service.engine.stats().adapters)
    except UnknownModel as error:
        raise UnknownModel(
            f"model {shorten(asked)} not found; this server has {service.names.served!r}",
            param="model",
        ) from error


async def _lines(asked: CompletionRequest, request: Request, model: str) -> AsyncGenerator[bytes]:
    is_started = False
    try:
        async with aclosing(run_completion(asked, request)) as deltas:
            async for delta in deltas:
                if delta.text:
                    is_started = True
                    further = _logprobs(delta.logprobs)
                    yield _line(_record(model, delta.text, done=False, **further))
                if delta.finish_reason is not None and delta.usage is not None:
                    is_started = True
                    yield _line(_record(model, "", **_ending(delta.finish_reason, delta.usage)))
    except ClientDisconnected:
        raise
    except Exception as error:
        if not is_started:
            raise
        # The status is sent: the rest of the story goes into the stream.
        yield _line({"error": to_stream_failure(error, request).message})


def _line(record: dict[str, object]) -> bytes:
    return encode_record(record) + b"\n"


def _record(model: str, text: str, **further: object) -> dict[str, object]:
    head = {"model": model, "created_at": write_time(time.time()), "response": text}
    return head | further


def _ending(reason: str, usage: Usage) -> dict[str, object]:
    return {
        "done": True,
        "done_reason": reason,
        "total_duration": _nanoseconds(usage.e2e_ms),
        "load_duration": 0,
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_duration": _nanoseconds(usage.ttft_ms - usage.queue_ms),
        "eval_count": usage.completion_tokens,
        "eval_duration": _nanoseconds(usage.e2e_ms - usage.ttft_ms),
    }


def _nanoseconds(duration_ms: float) -> int:
    return max(0, round(duration_ms * NS_PER_MS))


def _logprobs(entries: Sequence[TokenLogprob]) -> dict[str, object]:
    """Return the key that tells log-probabilities, where there are any."""
    if not entries:
        return {}
    told = [
        _spell(entry.token_bytes, entry.logprob)
        | {"top_logprobs": [_spell(token, logprob) for _, token, logprob in entry.top]}
        for entry in entries
    ]
    return {"logprobs": told}


def _spell(token: bytes, logprob: float) -> dict[str, object]:
    return {"token": token.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(token)}
