"""LoRA adapters while the service runs: which there are, loading one, letting one go.

A client names a folder of the operator's adapter directory, never a path. A loaded adapter is a
model of its own to every dialect: asked for by its name.
"""

import logging

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from fimserve.engine import AdapterNotFound, ModelError
from fimserve.server.body import read_json_object
from fimserve.server.errors import BadRequest, UnknownModel
from fimserve.server.parse import Fields, describe_body, parse_fields
from fimserve.server.service import Service, service_of

__all__ = ["SCOPES", "router"]

logger = logging.getLogger(__name__)

router = APIRouter(tags=["adapters"])

SCOPES = {"/v1/adapters": "admin"}


class AdapterFields(Fields):
    """Body of `POST /v1/adapters`."""

    name: str
    """A folder of the adapter directory."""


@router.get("/v1/adapters")
async def list_adapters(request: Request) -> JSONResponse:
    """List the adapters that are loaded, and those that could be."""
    return JSONResponse(_describe(service_of(request)))


@router.post("/v1/adapters", openapi_extra=describe_body(AdapterFields))
async def load_adapter(request: Request) -> JSONResponse:
    """Load an adapter, or replace it by what its folder holds now; requests go on meanwhile."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    fields = parse_fields(AdapterFields, body)
    if service.names.is_own(fields.name):
        raise BadRequest(
            f"name is {fields.name!r}; requests that name it get the model itself, "
            "rename the folder.",
            param="name",
        )
    try:
        await run_in_threadpool(service.engine.load_adapter, fields.name)
    except AdapterNotFound as error:
        raise UnknownModel(f"{error}.", param="name") from error
    except ModelError as error:
        # The message names files of this machine: the log gets it, the client what to do.
        logger.warning("adapter %r was not loaded: %s", fields.name, error)
        raise BadRequest(
            f"name is {fields.name!r}; that adapter is damaged or does not fit the served model, "
            "the service's log says why.",
            param="name",
        ) from error
    return JSONResponse(_describe(service))


@router.delete("/v1/adapters/{name}")
async def unload_adapter(request: Request, name: str) -> JSONResponse:
    """Let an adapter go, once the requests that use it have ended."""
    service = service_of(request)
    if not await run_in_threadpool(service.engine.unload_adapter, name):
        raise UnknownModel(f"name is {name!r}; no such adapter is loaded.", param="name")
    return JSONResponse(_describe(service))


def _describe(service: Service) -> dict[str, object]:
    return {
        "loaded": list(service.engine.stats().adapters),
        "available": list(service.engine.available_adapters()),
    }
