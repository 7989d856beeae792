"""The application: routes, what stands before them, the error answers, and the engine's end.

`make_app` composes; it reads no settings of its own and opens nothing but the file of API keys. A
route module that is added to `ROUTES` is guarded, limited, counted and logged without doing
anything for it. It runs under any ASGI server; `fimserve serve` runs it under uvicorn.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fimserve import __version__
from fimserve.server.access import Access
from fimserve.server.arm_desk import ArmDesk
from fimserve.server.cors import Cors
from fimserve.server.dialect import ErrorShapes
from fimserve.server.drain import DrainGate
from fimserve.server.errors import MethodNotAllowed, ServerError, UnknownRoute, shorten
from fimserve.server.failed_attempts import FailedAttempts
from fimserve.server.guard import Guard
from fimserve.server.key_file import KeyFile
from fimserve.server.key_ring import KeyRing
from fimserve.server.kind_desk import KindDesk
from fimserve.server.metrics import Metrics
from fimserve.server.metrics_desk import MetricsDesk
from fimserve.server.openapi import STANDING_RESPONSES, OpenApi
from fimserve.server.origin_gate import OriginGate
from fimserve.server.request_log import RequestLog, record_of
from fimserve.server.right_of_way import GiveWay
from fimserve.server.routes import (
    ab,
    adapters,
    completions,
    deepseek,
    events,
    health,
    llama_cpp,
    llama_cpp_state,
    metrics,
    mistral,
    ollama,
    openai,
    root,
    tabby,
    web,
)
from fimserve.server.service import CompletionEngine, ModelNames, Service
from fimserve.server.settings import ServerSettings
from fimserve.server.throttle import Throttle
from fimserve.server.upload_limit import UploadLimit
from fimserve.telemetry import EventStore
from fimserve.telemetry.experiments import ExperimentWatch

__all__ = ["make_app"]

logger = logging.getLogger(__name__)

ROUTES = (
    health,
    metrics,
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
    ab,
    root,
    web,
)
"""Modules with a `router`, whose first tag is the dialect in metrics. A module may state:
`ERROR_SHAPES` where its clients read errors otherwise; `SCOPES` and `PUBLIC`, see `access.py`;
`GIVES_WAY`, paths whose requests wait for a gap between completions, see `right_of_way.py`."""


def make_app(
    engine: CompletionEngine,
    settings: ServerSettings | None = None,
    device: str | None = None,
    event_store: EventStore | None = None,
    experiments: ExperimentWatch | None = None,
) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        engine: What completes; closed when the application shuts down.
        settings: Limits and names; the defaults where None.
        device: Where the model runs, for `/health` to say.
        event_store: Where events go; closed when the application shuts down. None takes none.
        experiments: What runs; closed when the application shuts down. None serves all alike.

    Returns:
        The application; its lifespan ends engine, event store and experiments.
    """
    settings = settings or ServerSettings()
    arms = None if experiments is None else ArmDesk(experiments, engine)
    desk = None if event_store is None else MetricsDesk(event_store)
    kinds = None if event_store is None else KindDesk()

    @asynccontextmanager
    async def close_at_end(_: FastAPI) -> AsyncIterator[None]:
        yield
        try:
            await engine.aclose()
        finally:
            if arms is not None:
                await run_in_threadpool(arms.close)
            if kinds is not None:
                await run_in_threadpool(kinds.close)
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
    service = Service(
        engine, settings, names, Metrics(engine.stats), device, event_store, arms, kinds, desk
    )
    app.state.service = service
    app.state.error_shapes = ErrorShapes(_gather("ERROR_SHAPES"))
    for module in ROUTES:
        app.include_router(module.router, responses=STANDING_RESPONSES)
    app.openapi = OpenApi(app)  # type: ignore[method-assign]
    app.add_exception_handler(ServerError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    _add_middleware(app, service)
    return app


def _add_middleware(app: FastAPI, service: Service) -> None:
    """Put what every request passes before the routes; what is added last sees it first."""
    settings = service.settings
    app.add_middleware(UploadLimit, settings=settings)
    if settings.keys is not None:
        public = [path for module in ROUTES for path in getattr(module, "PUBLIC", ())]
        access = Access(_gather("SCOPES"), public)
        app.add_middleware(Throttle, settings=settings)
        keys, failures = KeyRing(KeyFile(settings.keys)), FailedAttempts(settings.failures_per_s)
        app.add_middleware(Guard, keys=keys, access=access, failures=failures)
    # Around the guard: who waits takes no place of its key meanwhile.
    giving_way = [path for module in ROUTES for path in getattr(module, "GIVES_WAY", ())]
    app.add_middleware(GiveWay, right_of_way=service.right_of_way, paths=giving_way)
    app.add_middleware(OriginGate, settings=settings)
    app.add_middleware(DrainGate, drain=service.drain)
    app.add_middleware(RequestLog, error_shapes=app.state.error_shapes, metrics=service.metrics)
    if settings.cors_origins:
        app.add_middleware(Cors, settings=settings)


def _gather(name: str) -> dict[str, Any]:
    """Return what all route modules state under a name."""
    gathered: dict[str, Any] = {}
    for module in ROUTES:
        gathered |= getattr(module, name, {})
    return gathered


async def _answer_error(request: Request, error: Exception) -> Response:
    error = cast(ServerError, error)  # registered for this class alone
    record = record_of(request)
    record.note_error(error)
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
