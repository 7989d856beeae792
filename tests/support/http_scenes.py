"""Every scene of the HTTP fixtures: its name, the request, and the state that the service is in.

`tests/fixtures/http/record.py` plays them and stores what comes back; `tests/server/
test_http_fixtures.py` plays them again and compares.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from fimserve.engine import BrokenEngine, CompletionDelta, QueueFull
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import StoreUnavailable
from support.http_exchanges import Ask, JsonObject
from support.http_stages import Stage, keyed, scripted, stopping, with_events, with_model
from support.refusing_store import RefusingStore


class Scene(NamedTuple):
    """One situation: scenes in a row on the same stage meet the same service."""

    name: str
    ask: Ask
    stage: Stage


class Failure(Exception):
    """A defect, whose words stay in the log."""


PREFIX = "def mean(values):\n    "
SUFFIX = "\n\n\nprint(mean([1, 2, 3]))\n"
HEADERS = {"x-request-id": "vscode-5f1c2d"}

COMPLETION: JsonObject = {
    "prompt": PREFIX,
    "suffix": SUFFIX,
    "language": "python",
    "path": "src/mean.py",
    "session": "window-1/src/mean.py",
    "max_tokens": 48,
    "temperature": 0,
}
STREAM = COMPLETION | {"stream": True, "stream_options": {"include_usage": True}}

EVENTS: list[JsonObject] = [
    {
        "id": "5f1c-1",
        "type": "requested",
        "at_ms": 1_790_000_000_000,
        "language": "python",
        "trigger": "auto",
    },
    {
        "id": "5f1c-2",
        "type": "shown",
        "completion_id": "cmpl-6b2f",
        "at_ms": 1_790_000_000_080,
        "language": "python",
        "completion_chars": 24,
        "visible_ms": 80.5,
    },
    {
        "id": "5f1c-3",
        "type": "accepted",
        "completion_id": "cmpl-6b2f",
        "at_ms": 1_790_000_001_900,
        "accepted_chars": 24,
        "shown_ms": 1820,
    },
]


def complete(*without: str, headers: dict[str, str] | None = None, **fields: Any) -> Ask:
    """Return a request for a completion.

    Args:
        *without: Fields to leave out.
        headers: Further headers.
        **fields: Fields that differ from the usual ones.
    """
    body = {key: value for key, value in (COMPLETION | fields).items() if key not in without}
    return Ask("POST", "/v1/completions", body, HEADERS | (headers or {}))


def stream(**fields: Any) -> Ask:
    """Return a request for a streamed completion.

    Args:
        **fields: Fields that differ from the usual ones.
    """
    return Ask("POST", "/v1/completions", STREAM | fields, HEADERS)


def send(*events: JsonObject, headers: dict[str, str] | None = None) -> Ask:
    """Return a request that brings events.

    Args:
        *events: The events.
        headers: Its headers.
    """
    return Ask("POST", "/v1/events", {"events": list(events)}, headers or {})


def get(path: str, headers: dict[str, str] | None = None) -> Ask:
    """Return a plain request.

    Args:
        path: What is asked for.
        headers: Its headers.
    """
    return Ask("GET", path, headers=headers or {})


PLAIN = scripted()
KEYED = keyed()
ONE_AT_ONCE = keyed(settings=ServerSettings(key_requests_per_s=0.2, key_burst=1))
DEAD = scripted(is_alive=False)
SMALL = scripted(settings=ServerSettings(max_body_bytes=100, max_header_bytes=1024))

KEY = {"authorization": "Bearer KEY"}
WRONG_KEY = {"authorization": "Bearer fim_wrong"}

OPENAI: list[Scene] = [
    Scene("stream", stream(), with_model),
    Scene("stream of one line", stream(multiline=False), with_model),
    Scene(
        "stream of several lines",
        stream(prompt="def mean(values):\n", suffix="", multiline=True, max_tokens=24),
        with_model,
    ),
    Scene("stream without usage", stream(stream_options=None), with_model),
    Scene("whole", complete(), with_model),
    Scene("three alternatives", complete(n=3, temperature=0.8, seed=7, max_tokens=8), with_model),
    Scene("warm-up", complete(max_tokens=0, priority="background"), with_model),
    Scene(
        "with snippets",
        stream(snippets=[{"path": "src/total.py", "text": "def total(values):\n"}]),
        with_model,
    ),
    Scene("a value out of range", complete(temperature=5), with_model),
    Scene("no prompt", complete("prompt", model="embedded"), with_model),
    Scene("unknown model", complete(model="gpt-9"), with_model),
    Scene(
        "stream of text beyond ASCII",
        stream(),
        scripted("größe = ", "'数\u2028😀'", "\n"),
    ),
    Scene("stream with nothing to say", stream(), scripted("")),
    Scene(
        "stream ended by its deadline",
        stream(deadline_ms=200),
        scripted("return total / len(values)\n", asyncio.Event(), "never"),
    ),
    Scene(
        "stream that fails inside",
        stream(),
        scripted("return ", Failure("a defect"), ""),
    ),
    Scene(
        "stream superseded inside",
        stream(),
        scripted("return ", CompletionDelta("", (), "cancelled")),
    ),
    Scene("superseded", stream(), scripted(CompletionDelta("", (), "cancelled"))),
    Scene("defect", stream(), scripted(Failure("a defect"))),
    Scene("queue full", stream(), scripted(QueueFull("256 requests wait", 2600.0))),
    Scene("started anew", stream(), scripted(BrokenEngine("the engine was started anew"))),
    Scene("stopping", stream(), stopping),
    Scene("body too large", stream(), SMALL),
    Scene("headers too large", complete(headers={"x-padding": "x" * 2000}), SMALL),
    Scene("with a key", complete(headers=KEY), ONE_AT_ONCE),
    Scene("key beyond its rate", complete(headers=KEY), ONE_AT_ONCE),
    Scene("no key", complete(), KEYED),
    Scene("wrong key", complete(headers=WRONG_KEY), KEYED),
    Scene("key without the scope", complete(headers=KEY), keyed(("events",))),
]

STORE = with_events
EVENT_SCENES: list[Scene] = [
    Scene("a batch", send(*EVENTS), STORE),
    Scene("the same batch again", send(*EVENTS), STORE),
    Scene("no events", send(), STORE),
    Scene("with code", send({**EVENTS[1], "id": "5f1c-4", "completion_text": "x = 1"}), STORE),
    Scene(
        "a field that is not valid", send(EVENTS[0], {**EVENTS[1], "kind": "x = 1"}), with_events
    ),
    Scene("no list", Ask("POST", "/v1/events", {"events": {}}), STORE),
    Scene("switched off", send(*EVENTS), PLAIN),
    Scene(
        "nothing stored for now",
        send(*EVENTS),
        scripted(store=RefusingStore(StoreUnavailable("the spool is full", 10))),
    ),
    Scene("body too large", send(*EVENTS), SMALL),
    Scene("no key", send(*EVENTS), KEYED),
    Scene("key without the scope", send(*EVENTS, headers=KEY), keyed(("complete",))),
]

SERVICE: list[Scene] = [
    Scene("health", get("/health"), PLAIN),
    Scene("ready", get("/ready"), PLAIN),
    Scene("models", get("/v1/models"), PLAIN),
    Scene("unknown path", get("/v1/nothing"), PLAIN),
    Scene("health of a dead engine", get("/health"), DEAD),
    Scene("ready with a dead engine", get("/ready"), DEAD),
    Scene("ready while stopping", get("/ready"), stopping),
    Scene("health with keys, without one", get("/health"), KEYED),
    Scene("models without a key", get("/v1/models"), KEYED),
    Scene("models with a key", get("/v1/models", KEY), KEYED),
]

FILES: dict[str, list[Scene]] = {
    "openai": OPENAI,
    "events": EVENT_SCENES,
    "service": SERVICE,
}
"""Scenes by the name of their file."""
