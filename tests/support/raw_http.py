"""Bytes on a socket, for clients that no HTTP library would be."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S = 15.0


class RawAnswer(NamedTuple):
    """What came back before the server closed the connection."""

    status: int | None
    """None where it was closed without a word."""
    text: str


@contextmanager
def connect(url: str) -> Iterator[socket.socket]:
    """Open a connection to a server for the length of a `with` block.

    Args:
        url: Address of the server.

    Yields:
        The connected socket.
    """
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), TIMEOUT_S) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> RawAnswer:
    """Return everything until the server closes the connection."""
    pieces = []
    try:
        while piece := connection.recv(65_536):
            pieces.append(piece)
    except ConnectionResetError:
        pass  # it closed while bytes were on their way
    text = b"".join(pieces).decode("latin-1")
    return RawAnswer(int(text.split(" ", 2)[1]) if text.startswith("HTTP/1.1 ") else None, text)


def exchange(url: str, request: bytes) -> RawAnswer:
    """Send bytes and return everything that comes back."""
    with connect(url) as connection:
        connection.sendall(request)
        return read_to_end(connection)


def render_post(path: str, body: bytes, *headers: str) -> bytes:
    """Return the bytes of a POST request that ends its connection."""
    lines = (
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "connection: close",
        f"content-length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + body
