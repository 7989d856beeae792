"""The states of the service that the HTTP fixtures show: working, refusing, stopping, broken.

Each is the real service on a real socket. Behind it is the embedded model, or, where a failure must
be had on demand, an engine that follows a script.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import httpx

from fimserve.engine import Engine
from fimserve.models import load_model
from fimserve.server.api_key import SCOPES, Scope
from fimserve.server.service import CompletionEngine
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import EventStore, TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine, Step
from support.keys import add_key
from support.live_server import run_server

DRAINING_S = 5.0
TIMEOUT_S = 50.0


@dataclass(frozen=True, slots=True)
class Served:
    """A service, and how it is reached."""

    client: httpx.Client
    key: str = ""
    """An API key that it knows."""


Stage: TypeAlias = Callable[[], AbstractContextManager[Served]]


@contextmanager
def with_model() -> Iterator[Served]:
    """Serve the embedded model; in fp32, so that it writes the same on every machine.

    Yields:
        Served: The service, with a store of events.
    """
    engine = Engine(load_model("embedded", "cpu", "fp32"))
    with _stored() as store, _served(engine, store=store) as served:
        yield served


def scripted(
    *script: Step,
    settings: ServerSettings | None = None,
    store: EventStore | None = None,
    is_alive: bool = True,
) -> Stage:
    """Return a service whose engine follows a script.

    Args:
        *script: Steps of each completion; nothing stands for a plain one.
        settings: Settings of the service.
        store: Where its events go; none switches them off.
        is_alive: Whether the engine's thread runs.
    """

    @contextmanager
    def stage() -> Iterator[Served]:
        engine = FakeEngine(script) if script else FakeEngine()
        engine.is_alive = is_alive
        with _served(engine, settings, store) as served:
            yield served

    return stage


def keyed(scopes: Sequence[Scope] = SCOPES, settings: ServerSettings | None = None) -> Stage:
    """Return a service that asks for keys.

    Args:
        scopes: What its one key may do.
        settings: Further settings.
    """

    @contextmanager
    def stage() -> Iterator[Served]:
        with TemporaryDirectory() as folder:
            keys = Path(folder) / "keys.json"
            key = add_key(keys, scopes=tuple(scopes))
            wanted = replace(settings or ServerSettings(), keys=keys)
            with _stored() as store, _served(FakeEngine(), wanted, store) as served:
                yield replace(served, key=key)

    return stage


@contextmanager
def with_events() -> Iterator[Served]:
    """Serve with a store of events, which holds no code.

    Yields:
        Served: The service.
    """
    with _stored() as store, _served(FakeEngine(), store=store) as served:
        yield served


@contextmanager
def stopping() -> Iterator[Served]:
    """Serve, and be told to stop while a client's connection is open.

    Yields:
        Served: The service, which drains.
    """
    with (
        run_server(FakeEngine()) as (server, url),
        httpx.Client(base_url=url, timeout=TIMEOUT_S) as client,
    ):
        client.get("/ready").raise_for_status()
        server.should_exit = True
        until_s = time.monotonic() + DRAINING_S
        while client.get("/ready").is_success:
            assert time.monotonic() < until_s, "the service does not drain"
        yield Served(client)


@contextmanager
def _served(
    engine: CompletionEngine,
    settings: ServerSettings | None = None,
    store: EventStore | None = None,
) -> Iterator[Served]:
    with (
        run_server(engine, settings, store) as (_, url),
        httpx.Client(base_url=url, timeout=TIMEOUT_S) as client,
    ):
        yield Served(client)


@contextmanager
def _stored() -> Iterator[EventStore]:
    """Yield a store in a folder of its own; the service closes it."""
    with TemporaryDirectory() as folder:
        yield open_event_store(TelemetrySettings(url=f"sqlite:///{folder}/events.db"))
