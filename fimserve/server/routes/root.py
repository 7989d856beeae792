"""`/`: the playground for whoever wants a page, Ollama's greeting for everybody else.

Clients that find "Ollama is running" there take the service for Ollama, which it can be for them.
"""

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from fimserve.server.routes.web import page_or_none

__all__ = ["PUBLIC", "router"]

router = APIRouter(tags=["root"])

PUBLIC = ("/",)
"""Says nothing but that something runs here."""


@router.get("/", include_in_schema=False)
@router.head("/", include_in_schema=False)
async def get_root(request: Request) -> Response:
    """Answer with the playground where a page is wanted, and with a line of text otherwise."""
    page = await page_or_none(request)
    return page or PlainTextResponse("Ollama is running", headers={"vary": "accept"})
