"""Numbers for Prometheus, for keys with the scope `admin`."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from fimserve.server.service import service_of

__all__ = ["SCOPES", "router"]

router = APIRouter(tags=["metrics"])

SCOPES = {"/metrics": "admin"}


@router.get("/metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Say how many were answered, how long they waited, and what the engine holds."""
    content = service_of(request).metrics.render()
    return Response(content, media_type=CONTENT_TYPE_PLAIN_0_0_4)
