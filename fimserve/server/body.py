"""Reading a request body: capped while it arrives, one JSON object, bounded depth and size.

Parsing holds up everybody else, on a thread of its own too: the parser does not let go of Python's
lock. A megabyte of text takes a millisecond, a megabyte of brackets a hundred times as long. So
brackets, commas and strings are counted first, at the speed of memory.

The content type is not looked at: editors' clients send what they like. What the object means is
the dialect's business.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from typing import NoReturn

from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from fimserve.server.errors import BadRequest, BodyTooLarge, ClientDisconnected

__all__ = ["MAX_JSON_DEPTH", "read_json_object"]

MAX_JSON_DEPTH = 32
"""Deepest nesting of objects and lists in a body."""

MAX_VALUES = 100_000
"""Most values in lists and objects together: more than the token ids of the longest prompt."""
MAX_CONTAINERS = 20_000
"""Most lists and objects: ten times what the largest batch of events has."""

CONTAINERS = frozenset({list, dict})

LARGE_BYTES = 16_384
"""Length from which the faster parser is worth a second look where it refuses."""


async def read_json_object(request: Request, max_body_bytes: int) -> dict[str, object]:
    """Read and parse the body of request.

    Args:
        request: The request, its body not yet read.
        max_body_bytes: Cap; reading stops as soon as it is passed.

    Returns:
        The JSON object that the body holds.

    Raises:
        BadRequest: If the body is not one JSON object of bounded depth.
    """
    body = await _read_body(request, max_body_bytes)
    if not body.strip():
        raise BadRequest("The body is empty; send a JSON object.")
    _check_counts(body)
    parsed = _parse(body)
    if not isinstance(parsed, dict):
        raise BadRequest(f"The body is a JSON {_json_type(parsed)}; send a JSON object.")
    _check_depth(parsed)
    return parsed


async def _read_body(request: Request, max_body_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_body_bytes:
        raise _too_large(max_body_bytes, f"has {int(announced)} bytes")
    chunks: list[bytes] = []
    num_bytes = 0
    try:
        async for chunk in request.stream():
            num_bytes += len(chunk)
            if num_bytes > max_body_bytes:
                raise _too_large(max_body_bytes, f"goes past {max_body_bytes} bytes")
            chunks.append(chunk)
    except ClientDisconnect:
        raise ClientDisconnected("The client left while sending its body.") from None
    return b"".join(chunks)


def _check_counts(body: bytes) -> None:
    """Refuse what would take long to parse, without parsing it."""
    if _has_few_values(body):
        return  # even if none of it stood in a text
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 2 * MAX_VALUES or not _has_few_values(b"".join(bare.split(b'"')[::2])):
        raise BadRequest(
            f"The body holds more than {MAX_VALUES} values, or {MAX_CONTAINERS} lists and objects."
        )


def _has_few_values(text: bytes) -> bool:
    num_containers = text.count(b"[") + text.count(b"{")
    return num_containers <= MAX_CONTAINERS and text.count(b",") <= MAX_VALUES


def _parse(body: bytes) -> object:
    if len(body) >= LARGE_BYTES:
        # Half as long for lists of numbers. What it refuses, the other one words, or takes.
        with suppress(ValueError):
            return from_json(body, allow_inf_nan=False)
    # Half a surrogate pair (\ud83d) passes: editors send it where their cut splits an emoji.
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    except ValueError:
        raise BadRequest("The body is not valid JSON: a number has too many digits.") from None
    except RecursionError:
        raise _too_deep() from None


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"The body is not valid JSON: {name} is no JSON number.")


def _too_large(max_body_bytes: int, found: str) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body {found}; the limit is {max_body_bytes} bytes. Send less around the cursor."
    )


def _check_depth(parsed: dict[str, object]) -> None:
    level: list[dict[str, object] | list[object]] = [parsed]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            child
            for node in level
            for child in _containers(node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise _too_deep()


def _containers(values: Collection[object]) -> list[dict[str, object] | list[object]]:
    # Lists of token ids are long, and asked all at once.
    if CONTAINERS.isdisjoint(map(type, values)):
        return []
    return [value for value in values if isinstance(value, (dict, list))]


def _too_deep() -> BadRequest:
    return BadRequest(f"The body is nested more than {MAX_JSON_DEPTH} levels deep.")


def _json_type(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
