"""A real uvicorn on a free port of this machine, for tests with real clients and real sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from fimserve.server.app import make_app
from fimserve.server.service import CompletionEngine
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import EventStore

STARTUP_TIMEOUT_S = 20.0


class _SignallingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.is_ready.set()


@contextmanager
def serve_in_thread(
    engine: CompletionEngine,
    settings: ServerSettings | None = None,
    event_store: EventStore | None = None,
) -> Iterator[str]:
    """Serve an engine for the length of a `with` block.

    Args:
        engine: What completes; closed at the end, as in the real service.
        settings: Settings of the service.
        event_store: Where events go; closed at the end.

    Yields:
        Address of the server, without a slash at its end.
    """
    config = uvicorn.Config(
        make_app(engine, settings, event_store=event_store),
        port=0, log_config=None, access_log=False, ws="none",
    )  # fmt: skip
    server = _SignallingServer(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.is_ready.wait(STARTUP_TIMEOUT_S), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(STARTUP_TIMEOUT_S)
        assert not thread.is_alive(), "the server did not stop"
