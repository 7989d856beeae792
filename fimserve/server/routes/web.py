"""The pages: the playground, which `root.py` shows, the dashboard, and their files below `/web/`.

Public, since they hold nobody's data: what the dashboard shows it asks for with a key.
"""

from functools import cache
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from fimserve.server.accept import accepts_gzip, prefers_html
from fimserve.server.errors import UnknownRoute, shorten
from fimserve.server.static_files import StaticFile, load_static_files

__all__ = ["PUBLIC", "page_or_none", "router"]

router = APIRouter(tags=["web"])

PUBLIC = ("/web/", "/dashboard")
"""Needs no key; the first with all that begins so."""

PLAYGROUND = "index.html"
DASHBOARD = "dashboard.html"

MONACO_POLICIES = (
    "defaultWorkerFactory",
    "domLineBreaksComputer",
    "dompurify",
    "editorGhostText",
    "editorViewLayer",
    "richScreenReaderContent",
    "standaloneColorizer",
    "tokenizeToString",
)
"""What Monaco calls the places where it makes markup, all of text that it has escaped."""

PLAYGROUND_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Monaco writes its colours and the position of every line into style elements and
        # attributes; it offers no nonce for either. Scripts stay shut out.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        # The editor is built without anything that needs a worker.
        "worker-src 'none'",
        # Text becomes markup through Monaco's own policies or not at all.
        "require-trusted-types-for 'script'",
        f"trusted-types {' '.join(MONACO_POLICIES)}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

DASHBOARD_POLICY = "; ".join(
    (
        "default-src 'none'",
        # Vega's expressions are interpreted: no code is made of text.
        "script-src 'self'",
        "style-src 'self'",
        "img-src data:",
        "connect-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

REVALIDATED = "no-cache"
"""The page itself: kept, and asked after each time."""

IMMUTABLE = "public, max-age=31536000, immutable"
"""What the page loads: the name changes with the content."""


@router.get("/web/{name}", include_in_schema=False)
@router.head("/web/{name}", include_in_schema=False)
async def get_file(request: Request, name: str) -> Response:
    """Answer with one of the files that the page is made of."""
    file = _files().get(name)
    if file is None or file.name in (PLAYGROUND, DASHBOARD):
        raise UnknownRoute(f"{shorten(f'/web/{name}')}: there is no such file.")
    # The first to ask for the editor waits a tenth of a second for it to be compressed.
    return await run_in_threadpool(_answer, request, file, IMMUTABLE, PLAYGROUND_POLICY)


@router.get("/dashboard", include_in_schema=False)
@router.head("/dashboard", include_in_schema=False)
async def get_dashboard(request: Request) -> Response:
    """Answer with the dashboard."""
    return _answer(request, _files()[DASHBOARD], REVALIDATED, DASHBOARD_POLICY)


async def page_or_none(request: Request) -> Response | None:
    """Return the playground if the request would rather have a page than text.

    Args:
        request: A request of `/`.

    Returns:
        The whole answer, or None where text is wanted; the caller's text varies by `accept`.
    """
    if not prefers_html(request.headers.get("accept", "")):
        return None
    answer = _answer(request, _files()[PLAYGROUND], REVALIDATED, PLAYGROUND_POLICY)
    answer.headers.add_vary_header("accept")
    return answer


def _answer(request: Request, file: StaticFile, cache_control: str, policy: str) -> Response:
    headers = SECURITY_HEADERS | {
        "content-security-policy": policy,
        "cache-control": cache_control,
        "etag": file.etag,
        "vary": "accept-encoding",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"] = "gzip"
        return Response(file.gzipped, headers=headers, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)


@cache
def _files() -> dict[str, StaticFile]:
    return load_static_files("fimserve.web")
