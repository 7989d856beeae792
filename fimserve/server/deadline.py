"""How much time a request has: the header `x-deadline-ms`, or the dialect's own field.

Counted from the first byte of the request, since that is when its client began to wait. Knows
nothing of engines.
"""

import re

from starlette.requests import Request

from fimserve.server.errors import BadRequest, shorten
from fimserve.server.request_log import record_of

__all__ = ["DEADLINE_HEADER", "time_left_ms"]

DEADLINE_HEADER = "x-deadline-ms"

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def time_left_ms(field_ms: float | None, request: Request) -> float | None:
    """Return how many milliseconds are left for the answer, or None where it may take its time.

    Args:
        field_ms: Deadline that the body names, counted like the header's.
        request: The HTTP request; its header counts where that is the shorter time.

    Returns:
        The time left of the shorter one, 0 where it is over.
    """
    asked_ms = [limit for limit in (field_ms, _read_header(request)) if limit is not None]
    if not asked_ms:
        return None
    return max(0.0, min(asked_ms) - record_of(request).elapsed_ms)


def _read_header(request: Request) -> float | None:
    value = request.headers.get(DEADLINE_HEADER)
    if value is None:
        return None
    value = value.strip()
    if not _NUMBER.fullmatch(value):
        raise BadRequest(
            f"{DEADLINE_HEADER} is {shorten(value)}; use milliseconds, such as 250.",
            param=DEADLINE_HEADER,
        )
    return float(value)
