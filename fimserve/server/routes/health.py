"""Is the service alive, and what does it serve: the one route that stays public."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from fimserve import __version__
from fimserve.server.service import service_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/health")
@router.head("/health", include_in_schema=False)
async def get_health(request: Request) -> JSONResponse:
    """Say that the service answers, which model it serves and for how long."""
    service = service_of(request)
    return JSONResponse(
        {
            "status": "ok",
            "service": "fimserve",
            "version": __version__,
            "model": service.names.served,
            "device": service.device,
            "uptime_s": round(service.uptime_s, 3),
        }
    )
