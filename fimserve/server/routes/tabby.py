"""Tabby: completions from segments, what becomes of them, health and settings of its agent.

`/v1/completions` and `/v1/events` are shared with other dialects, whose routes hand over to
`complete` and `record_event` by the keys of the body; below `/tabby` nothing is guessed. Health
answers llama.cpp's clients, too.
"""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from fimserve.engine import CompletionRequest, ModelCard
from fimserve.prompt import PromptParts, load_format
from fimserve.prompt.layout import lay_out, section_text
from fimserve.server.body import read_json_object
from fimserve.server.openapi import describe_statuses
from fimserve.server.parse import describe_body, parse_fields
from fimserve.server.principal import Scope
from fimserve.server.routes.events import store_events
from fimserve.server.routes.tabby_events import EventFields, make_completion_id, to_event
from fimserve.server.routes.tabby_fields import (
    CompletionFields,
    ScoredSnippet,
    to_completion_request,
)
from fimserve.server.routes.tabby_health import describe_health
from fimserve.server.run import collect_completion
from fimserve.server.service import service_of
from fimserve.server.user import note_user

__all__ = ["GIVES_WAY", "SCOPES", "complete", "record_event", "router"]

router = APIRouter(tags=["tabby"])

SCOPES: dict[str, Scope] = {"/tabby/v1/events": "events"}
GIVES_WAY = ("/tabby/v1/events",)


@router.post(
    "/tabby/v1/completions",
    responses=describe_statuses(501),
    openapi_extra=describe_body(CompletionFields),
)
async def create_completion(request: Request) -> Response:
    """Complete the document around the cursor."""
    service = service_of(request)
    return await complete(request, await read_json_object(request, service.settings.max_body_bytes))


@router.post("/tabby/v1/events", openapi_extra=describe_body(EventFields))
async def create_event(request: Request) -> Response:
    """Note that a suggestion was shown, taken or dismissed."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    return await record_event(request, body)


@router.get("/v1/health")
@router.get("/tabby/v1/health")
@router.post("/v1/health", include_in_schema=False)
@router.post("/tabby/v1/health", include_in_schema=False)
async def get_health(request: Request) -> JSONResponse:
    """Say which model completes where, and which protocol is spoken; 503 where nothing does."""
    service = service_of(request)
    is_alive = service.engine.stats().is_alive
    status = HTTPStatus.OK if is_alive else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(describe_health(service), status)


@router.get("/v1beta/server_setting")
@router.get("/tabby/v1beta/server_setting")
async def get_server_setting() -> JSONResponse:
    """Tell Tabby's agent to report nothing to its vendor."""
    return JSONResponse({"disable_client_side_telemetry": True})


async def complete(request: Request, body: dict[str, object]) -> Response:
    """Answer a completion request in Tabby's dialect.

    Args:
        request: The HTTP request; its body has been read.
        body: The body.

    Returns:
        One choice; 400 without a word where there is nothing to complete, 501 where the model
        cannot fill in.
    """
    service = service_of(request)
    fields = parse_fields(CompletionFields, body)
    if fields.is_empty:
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    if service.engine.card.fim_family is None:
        return Response(status_code=HTTPStatus.NOT_IMPLEMENTED)
    if fields.mode == "next_edit_suggestion":
        # No model here suggests edits elsewhere: there is nothing to suggest, and no fault either.
        return JSONResponse(_answer(make_completion_id(""), [], fields.mode))
    asked, snippets = to_completion_request(fields, service.settings)
    note_user(request, fields.user)
    completion = await collect_completion(asked, request)
    text = completion.choices[0].text
    completion_id = make_completion_id(text)
    if service.arms is not None:
        service.arms.remember(request, completion_id)
    if service.kinds is not None:
        service.kinds.remember(request, completion_id)
    answer = _answer(completion_id, [{"index": 0, "text": text}], fields.mode)
    debug = _debug_data(fields, asked, snippets, service.engine.card)
    return JSONResponse(answer | ({"debug_data": debug} if debug else {}))


async def record_event(request: Request, body: dict[str, object]) -> Response:
    """Store what Tabby's agent says became of a suggestion.

    Args:
        request: The HTTP request; its body has been read.
        body: The body.

    Returns:
        200 without a word, once the event is stored; also where no events are wanted.
    """
    event = to_event(parse_fields(EventFields, dict(request.query_params) | body))
    if service_of(request).events is not None:
        await store_events(request, [event])
    return Response()


def _answer(completion_id: str, choices: list[dict[str, object]], mode: str) -> dict[str, object]:
    return {"id": completion_id, "choices": choices, "mode": mode}


def _debug_data(
    fields: CompletionFields,
    asked: CompletionRequest,
    snippets: list[ScoredSnippet],
    card: ModelCard,
) -> dict[str, object]:
    """Return what `debug_options` asks for, maybe nothing."""
    told: dict[str, object] = {}
    if fields.debug_options.return_snippets:
        told["snippets"] = [
            {
                "filepath": scored.snippet.path,
                "body": scored.snippet.text,
                "score": scored.score,
            }
            for scored in snippets
        ]
    if fields.debug_options.return_prompt:
        told["prompt"] = _show_prompt(asked, card)
    return told


def _show_prompt(asked: CompletionRequest, card: ModelCard) -> str:
    """Return the prompt in the model's usual order, before anything is cut to its budget."""
    if card.fim_family is None:
        return asked.prefix
    parts = PromptParts(
        asked.prefix, asked.suffix, asked.path, None, asked.language, asked.snippets
    ).with_lf()
    fim_format = load_format(card.fim_family)
    sections = lay_out(fim_format, parts, None if asked.suffix is None else card.order)
    return "".join(section_text(section, fim_format) for section in sections)
