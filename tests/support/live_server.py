"""The real server on a free port of this machine, for tests with real clients and real sockets."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fimserve.server.app import make_app
from fimserve.server.http_server import HttpServer
from fimserve.server.service import CompletionEngine
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import EventStore
from fimserve.telemetry.experiments import ExperimentWatch

STARTUP_TIMEOUT_S = 20.0


@contextmanager
def run_server(
    engine: CompletionEngine,
    settings: ServerSettings | None = None,
    event_store: EventStore | None = None,
    experiments: ExperimentWatch | None = None,
) -> Iterator[tuple[HttpServer, str]]:
    """Serve an engine for the length of a `with` block.

    Args:
        engine: What completes; closed at the end, as in the real service.
        settings: Settings of the service.
        event_store: Where events go; closed at the end.
        experiments: What runs; closed at the end.

    Yields:
        The server, which may be told to stop earlier, and its address without a slash at its end.
    """
    is_ready = threading.Event()
    server = HttpServer(make_app(engine, settings, None, event_store, experiments), is_ready.set)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert is_ready.wait(STARTUP_TIMEOUT_S), "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    scheme = (settings or ServerSettings()).scheme
    try:
        yield server, f"{scheme}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(STARTUP_TIMEOUT_S)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def serve_in_thread(
    engine: CompletionEngine,
    settings: ServerSettings | None = None,
    event_store: EventStore | None = None,
    experiments: ExperimentWatch | None = None,
) -> Iterator[str]:
    """Serve an engine for the length of a `with` block.

    Args:
        engine: What completes; closed at the end, as in the real service.
        settings: Settings of the service.
        event_store: Where events go; closed at the end.
        experiments: What runs; closed at the end.

    Yields:
        Address of the server, without a slash at its end.
    """
    with run_server(engine, settings, event_store, experiments) as (_, url):
        yield url
