"""OpenAI's legacy completions with `suffix`, and its list of models.

`complete` answers whole or as server-sent events; `GET /v1/models` and `GET /v1/models/{model}`
name what is served. Every client built on the `openai` packages works. Under `/openai/v1` nothing
is guessed; `/v1/completions` itself, which Tabby's clients use too, is in `completions.py`.
"""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve.server.answer import RecordStream
from fimserve.server.body import read_json_object
from fimserve.server.cursor_text import read_prompt
from fimserve.server.parse import describe_body, parse_fields
from fimserve.server.request_log import record_of
from fimserve.server.routes.openai_answer import EVENT_STREAM, CompletionAnswer
from fimserve.server.routes.openai_fields import CompletionFields, to_completion_request
from fimserve.server.run import collect_completion
from fimserve.server.service import Service, service_of
from fimserve.server.user import note_user

__all__ = ["complete", "router"]

router = APIRouter(tags=["openai"])


@router.post("/openai/v1/completions", openapi_extra=describe_body(CompletionFields))
async def create_completion(request: Request) -> Response:
    """Complete a prompt, or fill in between prompt and suffix."""
    body = await read_json_object(request, service_of(request).settings.max_body_bytes)
    return await complete(request, body)


async def complete(request: Request, body: dict[str, object]) -> Response:
    """Return the answer to a completion request in OpenAI's dialect.

    Args:
        request: The HTTP request, its body read.
        body: The JSON object that it held.

    Returns:
        The answer, whole or streamed.
    """
    service = service_of(request)
    fields = parse_fields(CompletionFields, body)
    model = service.names.resolve(fields.model, service.engine.stats().adapters)
    cursor = read_prompt(fields.prompt, fields.suffix, service.engine)
    asked = to_completion_request(fields, cursor, service.settings, model.adapter)
    answer = CompletionAnswer(model.name)
    record_of(request).completion_id = answer.id
    note_user(request, fields.user)
    if fields.stream:
        record_of(request).is_streamed = True
        includes_usage = bool(fields.stream_options and fields.stream_options.include_usage)
        return RecordStream(answer.events(asked, request, includes_usage), EVENT_STREAM)
    return JSONResponse(answer.whole(await collect_completion(asked, request)))


@router.get("/v1/models")
@router.get("/openai/v1/models")
async def list_models(request: Request) -> JSONResponse:
    """List the names under which the model is served."""
    service = service_of(request)
    names = (*service.names.listed, *service.engine.stats().adapters)
    models = [_model(name, service) for name in names]
    return JSONResponse({"object": "list", "data": models})


@router.get("/v1/models/{model:path}")
@router.get("/openai/v1/models/{model:path}")
async def get_model(request: Request, model: str) -> JSONResponse:
    """Describe one served model."""
    service = service_of(request)
    resolved = service.names.resolve(model, service.engine.stats().adapters)
    return JSONResponse(_model(resolved.name, service))


def _model(name: str, service: Service) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": service.started_unix_s,
        "owned_by": "fimserve",
    }
