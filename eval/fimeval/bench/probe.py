"""Finds out by asking what a server understands: exact lengths, orders of the prompt, sessions.

A field counts as understood only where it changes what comes back, or where a value that cannot
be is refused: most servers silently ignore what they do not know.
"""

from http import HTTPStatus

from fimeval.bench.client import BenchClient
from fimeval.bench.dialect import Abilities, JsonObject, LengthControl
from fimeval.bench.question import CursorText, Question
from fimeval.errors import CompleterError
from fimserve.prompt import Order

PROBE = CursorText("def area(radius):\n    return ", "\n\nprint(area(2.0))\n")
"""A place that a model is soon done with, unless it is told to go on."""

PROBE_TOKENS = 24
ABSENT_ORDER = "no-such-order"


async def probe_server(client: BenchClient) -> Abilities:
    """Return what a server understands beyond its dialect.

    Fails with CompleterError if it cannot be reached or does not complete at all.

    Args:
        client: Asks the server; its own abilities are not changed.

    Returns:
        What it understands.
    """
    await client.ask_whole(Question(PROBE, max_tokens=1))
    orders = await _find_orders(client) if client.dialect.takes_order else ()
    return Abilities(
        length_control=await _find_length_control(client, has_multiline=bool(orders)),
        orders=orders or client.dialect.own_orders,
        has_sessions=bool(orders),
    )


async def _find_orders(client: BenchClient) -> tuple[Order, ...]:
    if await _accepts(client, ABSENT_ORDER):
        return ()
    return tuple([order for order in Order if await _accepts(client, order)])


async def _accepts(client: BenchClient, order: str) -> bool:
    body = client.make_body(Question(PROBE, max_tokens=1)) | {"order": order}
    return (await client.post(body)).status_code == HTTPStatus.OK


async def _find_length_control(client: BenchClient, has_multiline: bool) -> LengthControl:
    question = Question(PROBE, max_tokens=PROBE_TOKENS)
    also: JsonObject = {"multiline": True} if has_multiline else {}
    asked: dict[LengthControl, JsonObject] = {
        LengthControl.IGNORE_EOS: {"ignore_eos": True},
        LengthControl.MIN_TOKENS: {"min_tokens": PROBE_TOKENS},
    }
    for control, fields in asked.items():
        try:
            found = await client.ask_whole(question, fields | also)
        except CompleterError:
            continue  # a field it does not know and says so
        new_tokens = found.counts.new_tokens
        if found.finish_reason == "length" and (new_tokens is None or new_tokens >= PROBE_TOKENS):
            return control
    return LengthControl.NONE
