"""DeepSeek's FIM completions: OpenAI's shape, with the counts of its prompt cache.

Clients join their base address and the path in two ways, so both `/beta/completions` and
`/v1/beta/completions` answer. Errors have OpenAI's shape.
"""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve.engine import Usage
from fimserve.server.answer import RecordStream
from fimserve.server.body import read_json_object
from fimserve.server.cursor_text import read_prompt
from fimserve.server.parse import describe_body, parse_fields
from fimserve.server.request_log import record_of
from fimserve.server.routes.deepseek_fields import DeepSeekFields, to_completion_request
from fimserve.server.routes.openai_answer import EVENT_STREAM, CompletionAnswer, describe_usage
from fimserve.server.run import collect_completion
from fimserve.server.service import service_of

__all__ = ["router"]

router = APIRouter(tags=["deepseek"])


@router.post("/beta/completions", openapi_extra=describe_body(DeepSeekFields))
@router.post("/v1/beta/completions", openapi_extra=describe_body(DeepSeekFields))
async def create_fim_completion(request: Request) -> Response:
    """Complete a prompt, or fill in between prompt and suffix."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(DeepSeekFields, body)
    model = service.names.resolve_or_served(fields.model, service.engine.stats().adapters)
    cursor = read_prompt(fields.prompt, fields.suffix, service.engine)
    asked = to_completion_request(fields, cursor, service.settings, model.adapter)
    answer = CompletionAnswer(model.name, _describe_usage)
    record_of(request).completion_id = answer.id
    if fields.stream:
        record_of(request).is_streamed = True
        includes_usage = bool(fields.stream_options and fields.stream_options.include_usage)
        return RecordStream(answer.events(asked, request, includes_usage), EVENT_STREAM)
    return JSONResponse(answer.whole(await collect_completion(asked, request)))


def _describe_usage(usage: Usage) -> dict[str, object]:
    return describe_usage(usage) | {
        "prompt_cache_hit_tokens": usage.cached_tokens,
        "prompt_cache_miss_tokens": usage.prompt_tokens - usage.cached_tokens,
    }
