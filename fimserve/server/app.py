"""The application: routes, the error answers, and the engine's end when the service stops.

`make_app` composes; it reads no settings of its own and opens nothing. It runs under any ASGI
server; `fimserve serve` runs it under uvicorn.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fimserve import __version__
from fimserve.server.dialect import ErrorShape, ErrorShapes
from fimserve.server.errors import MethodNotAllowed, ServerError, UnknownRoute, shorten
from fimserve.server.request_log import RequestLog, record_of
from fimserve.server.routes import (
    adapters,
    completions,
    deepseek,
    events,
    health,
    llama_cpp,
    llama_cpp_state,
    mistral,
    ollama,
    openai,
    tabby,
)
from fimserve.server.service import CompletionEngine, ModelNames, Service
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import EventStore

__all__ = ["make_app"]

logger = logging.getLogger(__name__)

ROUTES = (
    health,
    completions,
    openai,
    deepseek,
    mistral,
    llama_cpp,
    llama_cpp_state,
    ollama,
    tabby,
    adapters,
    events,
)
"""Modules with a `router`, and with `ERROR_SHAPES` where their clients read errors otherwise."""


def make_app(
    engine: CompletionEngine,
    settings: ServerSettings | None = None,
    device: str | None = None,
    event_store: EventStore | None = None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        engine: What completes; closed when the application shuts down.
        settings: Limits and names; the defaults where None.
        device: Where the model runs, for `/health` to say.
        event_store: Where events go; closed when the application shuts down. None takes none.

    Returns:
        The application; its lifespan ends engine and event store.
    """
    settings = settings or ServerSettings()

    @asynccontextmanager
    async def close_at_end(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.aclose()
        if event_store is not None:
            await run_in_threadpool(event_store.close)

    app = FastAPI(
        title="fimserve",
        version=__version__,
        lifespan=close_at_end,
        # The interactive pages load scripts from elsewhere; the document itself stays.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    names = ModelNames(engine.model_name, settings.model_aliases)
    app.state.service = Service(engine, settings, names, device, event_store)
    app.state.error_shapes = ErrorShapes(_error_shapes())
    for module in ROUTES:
        app.include_router(module.router)
    app.add_exception_handler(ServerError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_middleware(RequestLog, error_shapes=app.state.error_shapes)
    return app


def _error_shapes() -> dict[str, ErrorShape]:
    shapes: dict[str, ErrorShape] = {}
    for module in ROUTES:
        shapes |= getattr(module, "ERROR_SHAPES", {})
    return shapes


async def _answer_error(request: Request, error: Exception) -> Response:
    error = cast(ServerError, error)  # registered for this class alone
    record = record_of(request)
    record.finish = record.finish or type(error).__name__
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request_id=%s failed", record.request_id, exc_info=error)
    shapes = cast(ErrorShapes, request.app.state.error_shapes)
    return shapes.of(request.url.path)(error)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: an unknown path, or a wrong method."""
    error = cast(HTTPException, error)  # registered for this class alone
    where = shorten(f"{request.method} {request.url.path}")
    headers = dict(error.headers or {})
    if error.status_code == MethodNotAllowed.status:
        allowed = headers.get("Allow", "another method")
        refusal: ServerError = MethodNotAllowed(
            f"{where}: this path answers only {allowed}.", headers=headers
        )
    else:
        refusal = UnknownRoute(
            f"{where}: there is no such route. Completions are at POST /v1/completions.",
            headers=headers,
        )
    return await _answer_error(request, refusal)
