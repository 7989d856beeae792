"""llama.cpp's `/infill`, as llama.vim and llama.vscode use it.

Answers whole, as a list where several completions are asked for, or as server-sent events without
a `[DONE]`: the record with `stop: true` is the last. Its `/completion` is not served: a completion
without a suffix is at `/v1/completions`.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve.engine import CompletionDelta, CompletionRequest, TokenLogprob
from fimserve.server.answer import RecordStream
from fimserve.server.body import read_json_object
from fimserve.server.dialect import ErrorShape
from fimserve.server.errors import ClientDisconnected
from fimserve.server.parse import describe_body, parse_fields
from fimserve.server.request_log import record_of
from fimserve.server.routes.llama_cpp_answer import InfillAnswer, describe_error, shape_error
from fimserve.server.routes.llama_cpp_fields import InfillFields, to_completion_request
from fimserve.server.routes.llama_cpp_indent import IndentLimit
from fimserve.server.routes.openai_answer import EVENT_STREAM, encode_event, to_stream_failure
from fimserve.server.run import collect_completion, run_completion
from fimserve.server.service import service_of

__all__ = ["ERROR_SHAPES", "router"]

router = APIRouter(tags=["llama.cpp"])

ERROR_SHAPES: dict[str, ErrorShape] = {"/infill": shape_error}


@router.post("/infill", openapi_extra=describe_body(InfillFields))
async def infill(request: Request) -> Response:
    """Fill in between prefix and suffix."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(InfillFields, body)
    model = service.names.resolve_or_served(fields.model, service.engine.stats().adapters)
    asked = to_completion_request(fields, service, model.adapter)
    answer = InfillAnswer(fields, asked, model.name)
    if fields.stream:
        record_of(request).is_streamed = True
        return RecordStream(_events(answer, asked, fields.n_indent, request), EVENT_STREAM)
    completion = await collect_completion(asked, request)
    results = [
        answer.result(index, choice, completion.usage)
        for index, choice in enumerate(completion.choices)
    ]
    return JSONResponse(results if asked.n > 1 else results[0])


async def _events(
    answer: InfillAnswer, asked: CompletionRequest, n_indent: int, request: Request
) -> AsyncGenerator[bytes]:
    choices = [_StreamedChoice(answer, index, n_indent) for index in range(asked.n)]
    is_started = False
    try:
        async with aclosing(run_completion(asked, request)) as deltas:
            async for delta in deltas:
                for record in choices[delta.index].take(delta):
                    is_started = True
                    yield encode_event(record)
    except ClientDisconnected:
        raise
    except Exception as error:
        if not is_started:
            raise
        # The status is sent: the rest of the story goes into the stream.
        yield encode_event(describe_error(to_stream_failure(error, request)))


class _StreamedChoice:
    """One completion of a stream; tokens without text wait for the next record."""

    def __init__(self, answer: InfillAnswer, index: int, n_indent: int) -> None:
        self._answer = answer
        self._index = index
        self._indent = IndentLimit(n_indent)
        self._num_tokens = 0
        self._has_new_line = False
        self._unsent_ids: list[int] = []
        self._unsent_logprobs: list[TokenLogprob] = []

    def take(self, delta: CompletionDelta) -> list[dict[str, object]]:
        """Return the records of a delta: at most its text and the end."""
        text = self._indent.feed(delta.text)
        if delta.finish_reason is not None:
            text += self._indent.flush()
        self._num_tokens += len(delta.token_ids)
        self._has_new_line = self._has_new_line or "\n" in text
        self._unsent_ids.extend(delta.token_ids)
        self._unsent_logprobs.extend(delta.logprobs)
        records = [self._record(text, delta.prompt_tokens)] if text else []
        if delta.finish_reason is not None:
            is_limit = delta.finish_reason == "length" or self._indent.is_reached
            records.append(
                self._answer.last_record(self._index, is_limit, self._has_new_line, delta.usage)
            )
        return records

    def _record(self, text: str, num_prompt_tokens: int) -> dict[str, object]:
        record = self._answer.record(
            self._index,
            text,
            self._unsent_ids,
            self._unsent_logprobs,
            self._num_tokens,
            num_prompt_tokens,
        )
        self._unsent_ids, self._unsent_logprobs = [], []
        return record
