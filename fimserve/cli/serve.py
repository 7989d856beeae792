"""`fimserve serve`: loads a model and serves completions over HTTP until it is stopped.

Ctrl+C and SIGTERM stop it gracefully: no new requests, running ones get `drain_s` seconds.
"""

import json
import logging
import shlex
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fimserve import __version__
from fimserve.engine.settings import EngineSettings
from fimserve.server.settings import ServerSettings

if TYPE_CHECKING:
    from fimserve.cli.listener import Listener
    from fimserve.cli.local_model import LoadedEngine
    from fimserve.cli.settings import Settings
    from fimserve.telemetry import EventStore, TelemetrySettings

__all__ = ["app", "serve"]

app = typer.Typer()

DEFAULTS = ServerSettings()
ENGINE_DEFAULTS = EngineSettings()

KEEP_ALIVE_S = 60
"""Idle time after which a connection is closed: longer than a programmer's pause for thought."""

logger = logging.getLogger(__name__)


@app.command()
def serve(
    model: Annotated[
        str | None,
        typer.Option(help="embedded, a directory, or a hub id.", show_default="embedded"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on, loopback only.", show_default=DEFAULTS.host),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port; 0 takes a free one.", show_default=str(DEFAULTS.port)),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda, cuda:N.", show_default="auto")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="auto, fp32, bf16, int8, int8-dynamic (CPU).", show_default="auto"),
    ] = None,
    kv_memory: Annotated[
        int | None,
        typer.Option(
            help="MiB for keys and values.", show_default=str(ENGINE_DEFAULTS.kv_memory_mib)
        ),
    ] = None,
    adapters: Annotated[
        Path | None,
        typer.Option(help="Directory of LoRA adapters that may be loaded.", file_okay=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file.", show_default="fimserve.toml where there is one", dir_okay=False
        ),
    ] = None,
) -> None:
    """Serve completions over HTTP.

    Settings come from flags, then environment (FIMSERVE_MODEL, FIMSERVE_SERVER_PORT), then the
    settings file, then defaults.
    """
    from fimserve.cli.listener import Listener
    from fimserve.cli.local_model import load_engine
    from fimserve.cli.settings import find_config, load_settings

    # Also while the model loads; once the service runs, uvicorn's own handler drains first.
    signal.signal(signal.SIGTERM, _exit)
    settings = load_settings(
        {"model": model, "device": device, "dtype": dtype},
        {"host": host, "port": port},
        config or find_config(),
        {"kv_memory_mib": kv_memory, "adapters": adapters},
    )
    # The engine has a line of its own per request; the service's has the request's id.
    for room in ("fimserve.server", "fimserve.cli"):
        logging.getLogger(room).setLevel(logging.INFO)
    logger.info("settings: %s", settings)
    listener = Listener(settings.server.host, settings.server.port)
    try:
        store = open_store(settings.telemetry)
        run_service(load_engine(settings), settings, listener, store)
    finally:
        listener.close()


def open_store(settings: "TelemetrySettings") -> "EventStore | None":
    """Return where events go, or None where they are switched off.

    Args:
        settings: Where, and for how long.

    Returns:
        The store.

    Raises:
        Failure: If there can be no store there, or a newer fimserve has been there.
    """
    from fimserve.cli.failure import Failure
    from fimserve.telemetry import TelemetryError, open_event_store

    try:
        return open_event_store(settings)
    except TelemetryError as error:
        raise Failure(f"[telemetry] {error}") from None


def run_service(
    loaded: "LoadedEngine",
    settings: "Settings",
    listener: "Listener",
    event_store: "EventStore | None",
) -> None:
    """Serve until a signal comes, then drain.

    Args:
        loaded: The engine, ready to complete.
        settings: What to run with.
        listener: The bound socket.
        event_store: Where events go; None takes none.

    Raises:
        Failure: If another process took the port while the model loaded.
        KeyboardInterrupt: If Ctrl+C came before the service was ready.
        SystemExit: If SIGTERM came before the service was ready.
    """
    import uvicorn

    from fimserve.cli.failure import Failure
    from fimserve.server.app import make_app

    class AnnouncingServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(describe_service(loaded, listener.url), flush=True)

    server = AnnouncingServer(
        uvicorn.Config(
            make_app(loaded.engine, settings.server, loaded.device, event_store),
            log_config=None,
            # One line a request is written by the application, with an id and without text.
            access_log=False,
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.server.drain_s,
        )
    )
    try:
        server.run(sockets=[listener.socket])
    except OSError as error:
        raise Failure(f"cannot listen on {listener.url}: {error.strerror}") from None
    except (KeyboardInterrupt, SystemExit):
        # Uvicorn has drained, and repeats the signal that made it stop.
        if not server.started:
            raise
    logger.info("stopped")


def describe_service(loaded: "LoadedEngine", url: str) -> str:
    """Return what is printed once the service is ready.

    Args:
        loaded: The engine and its loading time.
        url: Address of the service.

    Returns:
        Address, model, and a command line to try.
    """
    model = (
        f"{loaded.engine.model_name} ({_count(loaded.num_parameters)} parameters, "
        f"{loaded.dtype}, {loaded.device}, loaded in {loaded.load_ms / 1e3:.1f} s)"
    )
    return (
        f"fimserve {__version__} is ready at {url}\n\n"
        f"  model  {model}\n"
        f"  try    {build_curl_line(url)}\n"
        "  stop   Ctrl+C\n"
    )


def build_curl_line(url: str) -> str:
    """Return a command line that asks the service for a completion, ready to paste.

    Args:
        url: Address of the service.

    Returns:
        One line for a POSIX shell.
    """
    body = {
        "prompt": "def area(radius):\n    return ",
        "suffix": "\n\nprint(area(2.0))\n",
        "max_tokens": 32,
        "temperature": 0,
    }
    words = [
        "curl", "-sS", f"{url}/v1/completions",
        "-H", "Content-Type: application/json",
        "-d", json.dumps(body),
    ]  # fmt: skip
    return shlex.join(words)


def _count(number: int) -> str:
    return f"{number / 1e9:.2f}B" if number >= 1e9 else f"{number / 1e6:.1f}M"


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
