"""A real HTTP server that streams what a script says, waits where it says, and breaks off at will.

For the benches: they must meet real sockets, refusals, lies and servers that fall silent.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any] | None
"""What was asked; None where it was no JSON object."""

WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: texts are sent at once, an event is waited for before going on."""

    steps: Sequence[str | threading.Event] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    """Whether the connection is closed without a byte."""


@dataclass(slots=True)
class ScriptedServer:
    """What the server was asked, and where it is."""

    url: str
    paths: list[str] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    num_left: int = 0
    """Answers whose reader was gone before their end."""
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def streamed(self) -> list[dict[str, Any]]:
        """The bodies that asked for a stream."""
        return [body for body in self.bodies if body and body.get("stream")]


@contextmanager
def serve_script(
    answer: Callable[[Body], Reply], health: Callable[[], object] = lambda: None
) -> Iterator[ScriptedServer]:
    """Serve `answer(body)` to every POST and `health()` to every GET, on a free port.

    Args:
        answer: Makes the reply to a body.
        health: Makes the JSON value of `/health`; None answers 404.

    Yields:
        ScriptedServer: What was asked.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = health()
            self._send(Reply([json.dumps(told)], 404 if told is None else 200))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            found.paths.append(self.path)
            found.keys.append(self.headers["authorization"])
            body = _parse(raw)
            found.bodies.append(body)
            self._send(answer(body))

        def _send(self, reply: Reply) -> None:
            if reply.is_silent:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for step in reply.steps:
                    if isinstance(step, threading.Event):
                        step.wait(WAIT_S)
                    else:
                        self.wfile.write(step.encode())
                        self.wfile.flush()
            except OSError:
                found.num_left += 1
                found.left.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _parse(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
