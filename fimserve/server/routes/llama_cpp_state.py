"""What llama.cpp's clients ask of a server besides completions: its properties, slots and tokens.

There are no slots here: a completion takes memory as it grows and gives it back. `/slots` shows the
running ones in that shape.
"""

from http import HTTPStatus

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from fimserve import __version__
from fimserve.engine import MAX_CHOICES
from fimserve.server.body import read_json_object
from fimserve.server.cursor_text import decode_text
from fimserve.server.dialect import ErrorShape
from fimserve.server.errors import EngineUnavailable, UnsupportedField
from fimserve.server.parse import Fields, WholeNumber, describe_body, parse_fields
from fimserve.server.routes.llama_cpp_answer import shape_error
from fimserve.server.service import Service, service_of

__all__ = ["ERROR_SHAPES", "router"]

router = APIRouter(tags=["llama.cpp"])

ERROR_SHAPES: dict[str, ErrorShape] = dict.fromkeys(
    ("/props", "/slots", "/tokenize", "/detokenize"), shape_error
)


class TokenizeFields(Fields):
    """Body of `POST /tokenize`. Markers in the text are text, whatever `parse_special` says."""

    content: str = ""
    add_special: bool = False
    with_pieces: bool = False


class DetokenizeFields(Fields):
    """Body of `POST /detokenize`."""

    tokens: list[WholeNumber] = Field(default_factory=list)


@router.get("/props")
async def get_properties(request: Request) -> JSONResponse:
    """Say what is served and with which defaults."""
    service = service_of(request)
    return JSONResponse(
        {
            "default_generation_settings": {
                "id": 0,
                "n_ctx": service.engine.max_context_tokens,
                "params": {"n_predict": service.settings.max_tokens, "temperature": 0.0},
            },
            "total_slots": MAX_CHOICES,
            "model_path": service.names.served,
            "model_alias": service.names.served,
            "chat_template": "",
            "modalities": {"vision": False, "audio": False},
            "build_info": f"fimserve-{__version__}",
        }
    )


@router.get("/slots")
async def list_slots(request: Request, fail_on_no_slot: str | None = None) -> JSONResponse:
    """List what runs, in the shape of slots; 503 on demand where none is free."""
    service = service_of(request)
    slots = _describe_slots(service)
    is_full = all(slot["is_processing"] for slot in slots)
    if fail_on_no_slot not in (None, "", "0") and is_full:
        raise EngineUnavailable("no slot available")
    return JSONResponse(slots, HTTPStatus.OK)


@router.post("/tokenize", openapi_extra=describe_body(TokenizeFields))
async def tokenize(request: Request) -> JSONResponse:
    """Return the token ids of a text."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(TokenizeFields, body)
    if fields.add_special:
        raise UnsupportedField(
            "add_special is true; only a text's own tokens are told, leave it out.",
            param="add_special",
        )
    token_ids = await run_in_threadpool(service.engine.tokenise, fields.content)
    if not fields.with_pieces:
        return JSONResponse({"tokens": token_ids})
    pieces = [{"id": i, "piece": _describe_piece(service, i)} for i in token_ids]
    return JSONResponse({"tokens": pieces})


@router.post("/detokenize", openapi_extra=describe_body(DetokenizeFields))
async def detokenize(request: Request) -> JSONResponse:
    """Return the text of token ids, markers by their names."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(DetokenizeFields, body)
    content = await run_in_threadpool(decode_text, fields.tokens, service.engine, "tokens")
    return JSONResponse({"content": content})


def _describe_slots(service: Service) -> list[dict[str, object]]:
    num_running = service.engine.stats().num_running
    return [
        {
            "id": number,
            "n_ctx": service.engine.max_context_tokens,
            "speculative": False,
            "is_processing": number < num_running,
        }
        for number in range(max(MAX_CHOICES, num_running))
    ]


def _describe_piece(service: Service, token_id: int) -> str | list[int]:
    """Return a token's text, or its bytes where they are no whole characters."""
    token_bytes = service.engine.token_bytes(token_id)
    try:
        return token_bytes.decode()
    except UnicodeDecodeError:
        return list(token_bytes)
