"""What experiments show, for keys with the scope `admin`: what the dashboard reads.

Also for scripts: the same JSON as `fimserve ab report --json`, with the kinds of syntax at which
suggestions are refused most.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from fimserve.server.errors import (
    BadRequest,
    EventsOff,
    EventsUnavailable,
    ServerError,
    UnknownExperiment,
    shorten,
)
from fimserve.server.metrics_desk import MetricsDesk
from fimserve.server.openapi import describe_statuses
from fimserve.server.principal import Scope
from fimserve.server.service import service_of
from fimserve.telemetry.database import DatabaseAway
from fimserve.telemetry.metrics.window import MeasureError

__all__ = ["SCOPES", "router"]

router = APIRouter(tags=["ab"])

SCOPES: dict[str, Scope] = {"/v1/ab": "admin"}

MAX_DAYS = 400


@router.get("/v1/ab/experiments", responses=describe_statuses(404))
async def list_experiments(request: Request) -> JSONResponse:
    """List all experiments: plan, state, since when, and why what was stopped was stopped."""
    return await _answer(_desk(request).list_experiments)


@router.get("/v1/ab/experiments/{name}", responses=describe_statuses(404))
async def get_report(request: Request, name: str) -> JSONResponse:
    """Report an experiment: arms, metrics, checks, and in words what may be concluded."""
    desk = _desk(request)
    return await _answer(lambda: desk.report(name))


@router.get("/v1/ab/overview", responses=describe_statuses(400, 404))
async def get_overview(request: Request) -> JSONResponse:
    """Say how all users fared in the last days, in experiments or not."""
    days = _read_days(request.query_params.get("days", "14"))
    desk = _desk(request)
    return await _answer(lambda: desk.overview(days))


def _desk(request: Request) -> MetricsDesk:
    desk = service_of(request).metrics_desk
    if desk is None:
        raise EventsOff("This service stores no events, so there is nothing to report.")
    return desk


def _read_days(text: str) -> int:
    days = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 1 <= days <= MAX_DAYS:
        raise BadRequest(
            f"days is {shorten(text)}; use a whole number from 1 to {MAX_DAYS}.", param="days"
        )
    return days


async def _answer(ask: Callable[[], dict[str, Any]]) -> JSONResponse:
    try:
        return JSONResponse(await run_in_threadpool(ask))
    except MeasureError as error:
        raise UnknownExperiment(f"{error}.", param="name") from None
    except DatabaseAway as error:
        refusal: ServerError = EventsUnavailable("The event database is away.", retry_after_s=5)
        raise refusal from error
