"""Is the service alive, what does it serve, and should it be sent requests now.

`/health` is about the process: where it is bad, nothing but a restart helps. `/ready` is about the
next request: it is bad while the service drains too. The first is public, and tells a stranger on
the network no more than that.
"""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from fimserve import __version__
from fimserve.server.principal import STRANGER, principal_of
from fimserve.server.service import service_of

__all__ = ["PUBLIC", "router"]

router = APIRouter(tags=["health"])

PUBLIC = ("/", "/health")
"""The page at `/` is a dialect's or the playground's; whichever it is, it needs no key."""


@router.get("/health")
@router.head("/health", include_in_schema=False)
async def get_health(request: Request) -> JSONResponse:
    """Say that the service answers, and whether the next request would be taken.

    Without keys, or to whoever has one, also which model it serves, for how long, and how busy it
    is. 503 where the engine's thread has ended, which nothing but a restart of the service mends.
    """
    service = service_of(request)
    stats = service.engine.stats()
    content: dict[str, object] = {
        "status": "ok" if stats.is_alive else "engine stopped",
        "service": "fimserve",
        "ready": stats.is_alive and not service.drain.is_draining,
    }
    if principal_of(request) is not STRANGER:
        content |= {
            "version": __version__,
            "model": service.names.served,
            "device": service.device,
            # Clients ask before they send any.
            "events": service.events is not None,
            "uptime_s": round(service.uptime_s, 3),
            "engine": {
                "num_blocks": stats.num_blocks,
                "num_free_blocks": stats.num_free_blocks,
                "block_tokens": stats.block_tokens,
                "num_running": stats.num_running,
                "num_waiting": stats.num_waiting,
                "restarts": stats.num_restarts,
            },
        }
    return JSONResponse(
        content, HTTPStatus.OK if stats.is_alive else HTTPStatus.SERVICE_UNAVAILABLE
    )


@router.get("/ready")
@router.head("/ready", include_in_schema=False)
async def get_ready(request: Request) -> JSONResponse:
    """Say whether the next request would be taken: 503 while the service stops or cannot work."""
    service = service_of(request)
    if service.drain.is_draining:
        status = "stopping"
    else:
        status = "ready" if service.engine.stats().is_alive else "engine stopped"
    return JSONResponse(
        {"status": status},
        HTTPStatus.OK if status == "ready" else HTTPStatus.SERVICE_UNAVAILABLE,
    )
