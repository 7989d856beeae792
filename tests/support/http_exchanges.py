"""One request and its answer as HTTP fixtures store them, and what of an answer must not change.

Knows nothing of what is asked (`http_scenes.py`) and of whom (`http_stages.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import httpx

from support.http_stages import Served

JsonObject = dict[str, Any]

KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "connection",
    "x-accel-buffering",
    "x-request-id",
    "x-should-retry",
    "retry-after",
    "www-authenticate",
)
"""Headers of answers that a client may act on."""

STEADY = (
    (re.compile(r"cmpl-[0-9a-f]{24}"), "cmpl-0123456789abcdef01234567"),
    (re.compile(r"req-[0-9a-f]{16}"), "req-0123456789abcdef"),
    (re.compile(r'"created":\s?\d+'), '"created":1790000000'),
)
"""What differs each time is written as one value, so that a new recording shows real changes."""

NAMES = frozenset({"type", "code", "param", "object"})
"""Keys whose values are names that clients compare, not words or measurements."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client sends. `KEY` in a header stands for a key of the service."""

    method: str
    path: str
    body: JsonObject | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def exchange(served: Served, name: str, ask: Ask) -> JsonObject:
    """Return a request and its answer as they are stored.

    Args:
        served: The service.
        name: What the scene shows.
        ask: The request.
    """
    headers = {name: value.replace("KEY", served.key) for name, value in ask.headers.items()}
    answer = served.client.request(ask.method, ask.path, json=ask.body, headers=headers)
    request: JsonObject = {"method": ask.method, "path": ask.path, "headers": dict(ask.headers)}
    if ask.body is not None:
        request["body"] = ask.body
    return {"name": name, "request": request, "response": _response(answer)}


def shape_of(value: object, key: str = "") -> object:
    """Return what of a stored value must stay: keys, types, and names that clients compare.

    Args:
        value: JSON, parsed.
        key: Key under which it stands.

    Returns:
        The same structure with the words and numbers taken out.
    """
    if key == "records" and isinstance(value, list):
        # Texts of other lengths come in other numbers of records.
        return [shape for shape, _ in groupby(_record_shape(record) for record in value)]
    if key == "headers" and isinstance(value, dict):
        return {name: "id" if name == "x-request-id" else text for name, text in value.items()}
    if isinstance(value, dict):
        return {name: shape_of(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape for shape, _ in groupby(shape_of(inner) for inner in value)]
    if key in NAMES or key == "status" or value is None:
        return value
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"


def text_of(records: list[str]) -> str:
    """Return the text that the records of a stream add up to."""
    parsed = [_payload(record) for record in records]
    return "".join(
        choice["text"]
        for record in parsed
        if isinstance(record, dict)
        for choice in record.get("choices", [])
    )


def _response(answer: httpx.Response) -> JsonObject:
    kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    stored: JsonObject = {"status": answer.status_code, "headers": _steady(kept)}
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        *records, rest = answer.text.split("\n\n")
        assert rest == "", "a stream ends between records"
        return stored | {"records": [_steady_text(f"{record}\n\n") for record in records]}
    return stored | {"body": _steady(answer.json())}


def _record_shape(record: str) -> object:
    return shape_of(_payload(record))


def _payload(record: str) -> object:
    line = record.removeprefix("data: ").removesuffix("\n\n")
    return line if line == "[DONE]" else json.loads(line)


def _steady(value: JsonObject) -> JsonObject:
    steady: JsonObject = json.loads(_steady_text(json.dumps(value)))
    return steady


def _steady_text(text: str) -> str:
    for pattern, steady in STEADY:
        text = pattern.sub(steady, text)
    return text
