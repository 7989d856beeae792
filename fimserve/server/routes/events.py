"""What became of suggestions: clients report it here in batches, and it counts once.

The path is shared with Tabby's clients: a body with a list `events` is ours, one with `type` and
`completion_id` at its top is theirs. Events are answered 200 only once they are durable; a client
that got no answer sends the same batch again.
"""

import asyncio
import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import cast

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from fimserve.server.body import read_json_object
from fimserve.server.errors import BadRequest, EventsOff, EventsUnavailable
from fimserve.server.event_schema import describe_events
from fimserve.server.principal import Scope, principal_of
from fimserve.server.service import Service, service_of
from fimserve.telemetry import (
    Event,
    EventError,
    EventStore,
    StoreUnavailable,
    read_plain_events,
)

__all__ = ["GIVES_WAY", "SCOPES", "parse_events", "require_store", "router", "store_events"]

SCOPES: dict[str, Scope] = {"/v1/events": "events"}
GIVES_WAY = ("/v1/events",)

TABBY = "fimserve.server.routes.tabby"
"""Loaded when its first event comes."""

router = APIRouter(tags=["events"])


@router.post("/v1/events", openapi_extra=describe_events())
async def post_events(request: Request) -> Response:
    """Store a batch of events, all of it or nothing, and say how many were new."""
    service = service_of(request)
    body = await read_json_object(request, service.settings.max_body_bytes)
    if _is_tabby(body):
        return await _record_for_tabby(request, body)
    store = require_store(service)
    records = body.get("events")
    if not isinstance(records, list):
        raise BadRequest("events is missing; send a list of events.", param="events")
    if len(records) > store.max_batch_events:
        raise BadRequest(
            f"events has {len(records)} entries; the limit is {store.max_batch_events}. "
            "Send the rest in a further request.",
            param="events",
        )
    events = await parse_events(records)
    return JSONResponse(await store_events(request, events))


def require_store(service: Service) -> EventStore:
    """Return the store of events.

    Args:
        service: The service.

    Returns:
        Its store.

    Raises:
        EventsOff: If the operator has switched events off.
    """
    if service.events is None:
        raise EventsOff("This service stores no events; clients should stop sending them.")
    return service.events


async def parse_events(records: Sequence[object]) -> list[Event]:
    """Return the events of a batch.

    Fails with `BadRequest` on the first that is not valid, naming index and field.

    Args:
        records: What the client sent.

    Returns:
        The events, in their order.
    """
    # Another thread would not let go of Python's lock either, for the little that this takes.
    if (plain := read_plain_events(records)) is not None:
        return plain
    # A large batch takes milliseconds, in which nobody's completion should stand still.
    return await run_in_threadpool(_read_one_by_one, records)


async def store_events(request: Request, events: Sequence[Event]) -> dict[str, int]:
    """Store events of whoever sent a request; they are durable on return.

    Args:
        request: The request.
        events: The events.

    Returns:
        `accepted`: how many were new; `duplicates`: how many were known; `texts_dropped`, where
        it is not 0: how many came with code that is not stored for this tenant.

    Raises:
        EventsUnavailable: If nothing was stored and the client should try again.
    """
    service = service_of(request)
    store = require_store(service)
    tenant = principal_of(request).tenant
    if service.arms is not None:
        events = service.arms.fill_in(events, request)
    if service.kinds is not None:
        events = await service.kinds.fill_in(events, request)
    try:
        appended = await asyncio.wrap_future(store.submit(tenant, events))
    except StoreUnavailable as error:
        raise EventsUnavailable(
            f"Nothing of this batch was stored: {error}.", retry_after_s=error.retry_after_s
        ) from error
    answer = {"accepted": appended.num_new, "duplicates": appended.num_known}
    num_dropped = 0 if store.keeps_text(tenant) else sum(event.has_text for event in events)
    return answer | ({"texts_dropped": num_dropped} if num_dropped else {})


def _read_one_by_one(records: Sequence[object]) -> list[Event]:
    events = []
    for index, record in enumerate(records):
        where = f"events[{index}]"
        if not isinstance(record, dict):
            raise BadRequest(f"{where} should be a JSON object.", param=where)
        try:
            events.append(Event.from_json(record))
        except EventError as error:
            field = f"{where}.{error.field}"
            raise BadRequest(f"{field} {error.problem}.", param=field) from None
    return events


def _is_tabby(body: dict[str, object]) -> bool:
    return not isinstance(body.get("events"), list) and {"type", "completion_id"} <= body.keys()


async def _record_for_tabby(request: Request, body: dict[str, object]) -> Response:
    try:
        tabby = import_module(TABBY)
    except ModuleNotFoundError:
        raise BadRequest("events is missing; send a list of events.", param="events") from None
    answer = tabby.record_event(request, body)
    return cast(Response, await answer if inspect.isawaitable(answer) else answer)
