"""Bodies that no server can answer with a completion, and what is right to answer them with.

A 4xx with a body is right; a completion, a 5xx or a broken connection is wrong.
"""

import random
from dataclasses import dataclass
from http import HTTPStatus

from fimeval.bench.client import BenchClient
from fimeval.errors import CompleterError

MALFORMED: tuple[tuple[str, bytes], ...] = (
    ("no JSON", b"{prompt: no"),
    ("empty body", b""),
    ("a list", b"[1, 2, 3]"),
    ("not UTF-8", b'{"prompt": "\xff\xfe", "input_prefix": "\xff\xfe"}'),
    ("deep nesting", b'{"prompt": ' + b"[" * 2000 + b"]" * 2000 + b"}"),
    ("no prompt", b'{"max_tokens": 4}'),
    ("prompt is an object", b'{"prompt": {"text": "x"}, "input_prefix": {"text": "x"}}'),
    ("max_tokens is text", b'{"prompt": "x", "suffix": "y", "max_tokens": "many"}'),
    ("temperature is text", b'{"prompt": "x", "suffix": "y", "temperature": "hot"}'),
)
"""Name and body of each."""


@dataclass(frozen=True, slots=True)
class MalformedReport:
    """How one malformed request was answered."""

    name: str
    answer: str
    """Status, or the failure of the connection."""
    is_right: bool


async def send_malformed(client: BenchClient, chooser: random.Random) -> MalformedReport:
    """Send one malformed request.

    Args:
        client: Asks the server.
        chooser: Chooses which.

    Returns:
        How it was answered; 429 and 503 are right too, the server may be busy.
    """
    name, body = chooser.choice(MALFORMED)
    try:
        status = (await client.post(body)).status_code
    except CompleterError as error:
        return MalformedReport(name, type(error.__cause__).__name__, is_right=False)
    is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    is_right = is_client_error or status == HTTPStatus.SERVICE_UNAVAILABLE
    return MalformedReport(name, f"status {status}", is_right)
