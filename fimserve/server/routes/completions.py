"""`POST /v1/completions`, which two dialects claim: OpenAI's and Tabby's.

Which one a body is written in is told by its keys alone, never by headers, so that the same body
gets the same answer from any client. `/openai/v1/completions` and `/tabby/v1/completions` skip the
guess.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fastapi import APIRouter, Request
from starlette.responses import Response

from fimserve.server.body import read_json_object
from fimserve.server.parse import describe_body
from fimserve.server.routes import openai, tabby
from fimserve.server.routes.openai_fields import CompletionFields
from fimserve.server.service import service_of

__all__ = ["Dialect", "choose_dialect", "router"]

router = APIRouter(tags=["openai"])

Dialect: TypeAlias = Literal["openai", "tabby"]

_TABBY_KEYS = ("mode", "language", "user")
"""What a body of Tabby's may hold when it lacks everything that is required."""


@router.post("/v1/completions", openapi_extra=describe_body(CompletionFields))
async def create_completion(request: Request) -> Response:
    """Complete a prompt, or fill in between prompt and suffix; Tabby's bodies work too."""
    body = await read_json_object(request, service_of(request).settings.max_body_bytes)
    if choose_dialect(body) == "openai":
        return await openai.complete(request, body)
    return await tabby.complete(request, body)


def choose_dialect(body: Mapping[str, object]) -> Dialect:
    """Return whose body it is, which depends on the keys it has; null is the same as absent.

    Args:
        body: The JSON object.

    Returns:
        The dialect that answers, with a refusal where the body lacks what is required.
    """
    if isinstance(body.get("segments"), dict):
        return "tabby"
    if body.get("prompt") is not None:
        return "openai"
    debug_options = body.get("debug_options")
    if isinstance(debug_options, dict) and debug_options.get("raw_prompt") is not None:
        return "tabby"
    has_tabby_key = any(body.get(key) is not None for key in _TABBY_KEYS)
    return "tabby" if has_tabby_key and body.get("model") is None else "openai"
