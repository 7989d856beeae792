"""A body that is too long or too slow is refused whoever reads it; another is not touched."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from fimserve.server.errors import BodyTooLarge, BodyTooSlow
from fimserve.server.settings import ServerSettings
from fimserve.server.upload_limit import UploadLimit

SETTINGS = ServerSettings(max_body_bytes=8, body_timeout_s=0.1)


async def read(pieces: list[bytes], pause_s: float = 0.0) -> bytes:
    """Return the body that an application reads when it arrives in pieces."""
    bodies: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        bodies.append(await Request(scope, receive).body())

    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": index < len(pieces) - 1}
        for index, piece in enumerate(pieces)
    ]

    async def receive() -> Message:
        await asyncio.sleep(pause_s)
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError("nothing is answered here")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await UploadLimit(app, SETTINGS)(scope, receive, send)
    return bodies[0]


@pytest.mark.parametrize("pieces", [[b"12345678"], [b"1234", b"5678"], [b""], [b"", b"1", b""]])
def test_a_body_within_the_limits_arrives_whole(pieces: list[bytes]) -> None:
    assert asyncio.run(read(pieces)) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"12345678", b"9"], [b"1"] * 9])
def test_a_body_past_the_limit_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(BodyTooLarge, match="limit is 8 bytes"):
        asyncio.run(read(pieces))


def test_a_body_that_trickles_is_refused_and_its_connection_ended() -> None:
    with pytest.raises(BodyTooSlow, match=r"0\.1 s") as caught:
        asyncio.run(read([b"1"] * 8, pause_s=0.02))
    assert caught.value.headers["connection"] == "close"


def test_waiting_for_the_client_to_leave_has_no_limit() -> None:
    async def play() -> Message:
        left = asyncio.Event()
        messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            asyncio.get_running_loop().call_later(2 * SETTINGS.body_timeout_s, left.set)
            last.append(await receive())

        last: list[Message] = []
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}

        async def send(message: Message) -> None:
            raise AssertionError("nothing is answered here")

        await UploadLimit(app, SETTINGS)(scope, receive, send)
        return last[0]

    assert asyncio.run(play()) == {"type": "http.disconnect"}
