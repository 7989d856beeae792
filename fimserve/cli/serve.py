"""`fimserve serve`: loads a model and serves completions over HTTP until it is stopped.

Ctrl+C and SIGTERM stop it gracefully: no new requests, running ones get `drain_s` seconds.
"""

import gc
import json
import logging
import shlex
import signal
import ssl
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
    from fimserve.telemetry.experiments import ExperimentWatch

__all__ = ["app", "serve"]

app = typer.Typer()

DEFAULTS = ServerSettings()
ENGINE_DEFAULTS = EngineSettings()

logger = logging.getLogger(__name__)


@app.command()
def serve(
    model: Annotated[
        str | None,
        typer.Option(help="embedded, a directory, or a hub id.", show_default="embedded"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; others than loopback need --keys.",
            show_default=DEFAULTS.host,
        ),
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
            help="MiB for keys and values; 0 takes 1024, or 70 % of what is free on a GPU.",
            show_default=str(ENGINE_DEFAULTS.kv_memory_mib),
        ),
    ] = None,
    adapters: Annotated[
        Path | None,
        typer.Option(help="Directory of LoRA adapters that may be loaded.", file_okay=False),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="File of API keys, made by `fimserve keys create`.", dir_okay=False),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain (PEM): serve https.", dir_okay=False)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Private key of the certificate (PEM).", dir_okay=False)
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
    from fimserve.cli.local_model import load_engine
    from fimserve.cli.logs import set_up_logs
    from fimserve.cli.settings import find_config, load_settings

    # Also while the model loads; once the service runs, uvicorn's own handler drains first.
    signal.signal(signal.SIGTERM, _exit)
    settings = load_settings(
        {"model": model, "device": device, "dtype": dtype},
        {"host": host, "port": port, "keys": keys, "tls_cert": tls_cert, "tls_key": tls_key},
        config or find_config(),
        {"kv_memory_mib": kv_memory, "adapters": adapters},
    )
    set_up_logs(settings.server.log_format, settings.server.log_level)
    listener = open_listener(settings.server)
    try:
        store = open_store(settings.telemetry)
        has_no_place = store is None and settings.telemetry.is_on
        experiments = None if has_no_place else open_watch(settings)
        run_service(load_engine(settings), settings, listener, store, experiments)
    finally:
        listener.close()


def open_store(settings: "TelemetrySettings") -> "EventStore | None":
    """Return where events go, or None where they are switched off.

    Nobody asked for the file in the state directory that is there by default: where it cannot be,
    the service completes without it and says so.

    Args:
        settings: Where, and for how long.

    Returns:
        The store.

    Raises:
        Failure: If there can be no store where the operator wants it, or a newer fimserve has been
            there.
    """
    from fimserve.cli.failure import Failure
    from fimserve.telemetry import TelemetryError, open_event_store
    from fimserve.telemetry.settings import SQLITE

    try:
        return open_event_store(settings)
    except TelemetryError as error:
        if settings.url == SQLITE:
            logger.warning(
                "events are not stored: %s; [telemetry] url says where they may be", error
            )
            return None
        raise Failure(f"[telemetry] {error}") from None


def open_watch(settings: "Settings") -> "ExperimentWatch | None":
    """Return what is known of experiments, which live beside the events.

    Args:
        settings: Where, and which are to be started.

    Returns:
        The watch.

    Raises:
        Failure: If an experiment of the settings cannot be.
    """
    from fimserve.cli.failure import Failure
    from fimserve.telemetry import TelemetryError
    from fimserve.telemetry.experiments import open_experiments

    try:
        return open_experiments(settings.telemetry, settings.experiments)
    except TelemetryError as error:
        raise Failure(f"[experiments] {error}") from None


def open_listener(settings: ServerSettings) -> "Listener":
    """Bind the address of the settings, if it may be served from there.

    Args:
        settings: Address, keys, TLS.

    Returns:
        The bound socket.

    Raises:
        UsageFailure: If keys or certificate are no good, or an open address has no keys.
    """
    from fimserve.cli.failure import UsageFailure
    from fimserve.cli.listener import Listener
    from fimserve.server.key_file import KeyFile, KeyFileError

    try:
        num_keys = len(KeyFile(settings.keys).read()) if settings.keys is not None else 0
    except KeyFileError as error:
        raise UsageFailure(str(error)) from None
    if settings.tls_cert is not None:
        try:
            ssl.create_default_context().load_cert_chain(settings.tls_cert, settings.tls_key)
        except OSError as error:  # an ssl.SSLError too
            raise UsageFailure(
                f"cannot use {settings.tls_cert} with {settings.tls_key}: {error}"
            ) from None
    listener = Listener(settings.host, settings.port, num_keys > 0, settings.scheme)
    if settings.keys is not None and not num_keys:
        logger.warning("%s holds no keys: nobody is let in until one is made", settings.keys)
    if not listener.is_local and settings.tls_cert is None:
        logger.warning(
            "serving %s without TLS: keys and code cross the network readable", listener.url
        )
    return listener


def run_service(
    loaded: "LoadedEngine",
    settings: "Settings",
    listener: "Listener",
    event_store: "EventStore | None",
    experiments: "ExperimentWatch | None" = None,
) -> None:
    """Serve until a signal comes, then drain.

    Args:
        loaded: The engine, ready to complete.
        settings: What to run with.
        listener: The bound socket.
        event_store: Where events go; None takes none.
        experiments: What runs; None serves all alike.

    Raises:
        Failure: If another process took the port while the model loaded.
        KeyboardInterrupt: If Ctrl+C came before the service was ready.
        SystemExit: If SIGTERM came before the service was ready.
    """
    from fimserve.cli.failure import Failure
    from fimserve.server.app import make_app
    from fimserve.server.http_server import HttpServer

    has_keys = settings.server.keys is not None

    def tell() -> None:
        print(describe_service(loaded, listener.url, has_keys), flush=True)
        # Below the banner: a screenful of settings is not what somebody at a terminal looks for.
        logger.info("settings: %s", settings)

    app = make_app(loaded.engine, settings.server, loaded.device, event_store, experiments)
    server = HttpServer(app, tell)
    # All that is there now stays. Otherwise Python's collector looks at it whenever enough has been
    # added, and no thread goes on meanwhile: 0.19 s with the embedded model.
    gc.collect()
    gc.freeze()
    try:
        server.run(sockets=[listener.socket])
    except OSError as error:
        raise Failure(f"cannot listen on {listener.url}: {error.strerror}") from None
    except (KeyboardInterrupt, SystemExit):
        # Uvicorn has drained, and repeats the signal that made it stop.
        if not server.started:
            raise
    logger.info("stopped")


def describe_service(loaded: "LoadedEngine", url: str, has_keys: bool = False) -> str:
    """Return what is printed once the service is ready.

    Args:
        loaded: The engine and its loading time.
        url: Address of the service.
        has_keys: Whether the service asks for a key.

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
        f"  try    {build_curl_line(url, has_keys)}\n"
        "  stop   Ctrl+C\n"
    )


def build_curl_line(url: str, has_keys: bool = False) -> str:
    """Return a command line that asks the service for a completion, ready to paste.

    Args:
        url: Address of the service.
        has_keys: Whether the service asks for a key, which the shell then has as a variable.

    Returns:
        One line for a POSIX shell.
    """
    body = {
        "prompt": "def load(path):\n    with open(path) as file:\n        return ",
        "suffix": '\n\n\nconfig = load("config.json")\n',
        "max_tokens": 32,
        "temperature": 0,
    }
    words = [
        "curl", "-sS", f"{url}/v1/completions",
        "-H", "Content-Type: application/json",
        "-d", json.dumps(body),
    ]  # fmt: skip
    line = shlex.join(words)
    key = ' -H "Authorization: Bearer $FIMSERVE_API_KEY"'
    return line + key if has_keys else line


def _count(number: int) -> str:
    return f"{number / 1e9:.2f}B" if number >= 1e9 else f"{number / 1e6:.1f}M"


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
