"""The OpenAPI document: which statuses a route may answer with, and how a key is sent.

Every route states the standing refusals by itself; one with a name in its path also 404, and one
with a body those of a body. What else a route may answer it says with `describe_statuses`:

    @router.post("/infill", responses=describe_statuses(501), openapi_extra=describe_body(...))
"""

from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

__all__ = ["STANDING_RESPONSES", "OpenApi", "describe_statuses"]

MEANINGS = {
    400: "The request is malformed, or asks for an impossible value.",
    401: "No API key, or none that is valid.",
    403: "The API key has not the scope that this path needs.",
    404: "There is no such model, route or thing.",
    405: "This path answers another method.",
    413: "The body is longer than the limit.",
    422: "A field is missing or has the wrong type.",
    429: "Too many requests; Retry-After says when to come back.",
    499: "Given up for a newer request of the same session.",
    501: "This model cannot do that.",
    503: "Stopping, or just started anew; Retry-After says when to come back.",
}

Responses: TypeAlias = dict[int | str, dict[str, Any]]


def describe_statuses(*statuses: int) -> Responses:
    """Return what OpenAPI says of some statuses, for `responses=` of a route.

    Args:
        *statuses: Statuses that the route may answer with, besides 200 and the standing ones.

    Returns:
        A description of each.
    """
    return {str(status): {"description": MEANINGS[status]} for status in statuses}


BODY_STATUSES = (400, 404, 413, 499)
"""What whoever sends a body may be answered: malformed, no such model, too long, given up."""

STANDING_RESPONSES: Responses = describe_statuses(401, 403, 429, 503)
"""What stands before every route may answer."""


class OpenApi:
    """Makes the document, once.

    Args:
        app: The application, its routes included.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._document: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        """Return the document."""
        if self._document is None:
            app = self._app
            document = get_openapi(title=app.title, version=app.version, routes=app.routes)
            document.setdefault("components", {})["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            }
            document["security"] = [{"bearer": []}, {"header": []}]
            for item in document["paths"].values():
                for operation in item.values():
                    _correct_statuses(operation)
            self._document = document
        return self._document


def _correct_statuses(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    # FastAPI's own, wherever there is a parameter; here refusals have a dialect's shape and status.
    if responses.get("422", {}).get("description") == "Validation Error":
        del responses["422"]
    implied: tuple[int, ...] = ()
    if "requestBody" in operation:
        implied = BODY_STATUSES
    elif any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        implied = (404,)
    for status, response in describe_statuses(*implied).items():
        responses.setdefault(status, response)
