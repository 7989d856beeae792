"""Tells browsers which pages of other origins may ask and read, and logs which may not.

Stands before everything else, so that its pages can read refusals too; what it refuses itself
reaches no request log.
"""

import logging

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from fimserve.server.errors import shorten
from fimserve.server.served_arm import HEADERS
from fimserve.server.settings import ServerSettings

__all__ = ["Cors"]

logger = logging.getLogger(__name__)

METHODS = ("GET", "POST", "DELETE")
EXPOSED = ("retry-after", "x-request-id", "x-should-retry", *HEADERS)


class Cors(CORSMiddleware):
    """ASGI middleware for the pages of the named origins.

    Args:
        app: What answers.
        settings: The origins.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        super().__init__(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            # Whatever a named origin sends: packages add headers of their own, such as the dozen
            # x-stainless-* of OpenAI's and Anthropic's, and none of them gives more rights.
            allow_headers=("*",),
            expose_headers=EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks before it sends.

        Args:
            request_headers: Origin, method and headers that a page wants to send.

        Returns:
            What it may.
        """
        answer = super().preflight_response(request_headers)
        if answer.status_code >= 400:
            origin = shorten(request_headers["origin"])
            method = shorten(request_headers["access-control-request-method"])
            logger.info("CORS refused: origin=%s method=%s", origin, method)
        return answer
