"""Time what a request costs the host: planning its prompt, and everything around it over HTTP.

    python kernels/bench/bench_host.py --tokens 2048 --n 50 --profile

The service's own application answers requests of OpenAI's dialect that ask for a stream. Behind it
stands an engine that plans as the real one does, on the embedded model's tokenizer, and computes
nothing: it writes one token per turn of the event loop. Requests are cold files, and keystrokes of
one session: text typed into a hole, with a suffix that stays.

Planning is all from the engine's door to a request in its schedule: tokenising, healing, looking
up, reading the surroundings. HTTP is the rest of the request: reading JSON, checking fields,
middleware, an event per token, log line and metrics; `http_in` is its part before the engine is
asked.
Sockets are not in it, nor are the steps of the model. A table, then one JSON line. --profile adds
where the time goes.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import logging
import os
import pstats
import statistics
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop
from environment import describe_environment
from starlette.types import ASGIApp, Message

from fimserve.engine import CompletionDelta, CompletionRequest, EngineSettings, EngineStats, Usage
from fimserve.engine.assembly import Assembly, now_ms
from fimserve.engine.loop import EngineLoop
from fimserve.engine.next_line import find_lead
from fimserve.engine.ticket import Delivery, Ticket
from fimserve.models import load_model
from fimserve.server.app import make_app

CHARS_PER_TOKEN = 3.5
SUFFIX_SHARE = 0.25
NUM_NEW_TOKENS = 32
NUM_WARM_UP = 5
PARTS = ("planning", "http", "http_in", "together", "cpu")


@dataclass(frozen=True, slots=True)
class Times:
    """Holds the milliseconds of one request."""

    planning: float
    """From the engine's door into its schedule."""
    http: float
    """Everything else."""
    http_in: float
    """The part of that before the engine was asked."""
    cpu: float
    """Processor time of all of it, which on a busy machine is less than it took."""

    @property
    def together(self) -> float:
        """All of it."""
        return self.planning + self.http


class PlanningEngine:
    """Plans requests and answers each with the same number of tokens.

    Args:
        assembly: The parts of an engine.
        loop: Its loop, which never takes a step.
    """

    model_name = "embedded"

    def __init__(self, assembly: Assembly, loop: EngineLoop) -> None:
        self._loop = loop
        self.card = assembly.card
        self.max_context_tokens = assembly.card.max_context_tokens
        self.asked_s = 0.0
        self.planned_s = 0.0

    def stats(self) -> EngineStats:
        """Return the numbers of an engine that does nothing."""
        return EngineStats(1, 1, 32, 0, 0, 0, True, ())

    async def open(self, request: CompletionRequest) -> AsyncGenerator[CompletionDelta]:
        """Plan a request, then yield one token after the other.

        Args:
            request: What to complete.

        Yields:
            CompletionDelta: A token.
        """
        self.asked_s = time.perf_counter()
        if lead := find_lead(request):
            request = replace(request, prefix=request.prefix + lead)
        delivered: list[Delivery] = []
        ticket = Ticket(request, now_ms(), delivered.append)
        self._loop.submit(ticket)
        self.planned_s = time.perf_counter()
        self._loop.end(ticket, "cancelled")
        for item in delivered:
            if isinstance(item, Exception):
                raise item
        async for delta in write_tokens():
            yield delta

    async def aclose(self) -> None:
        """Do nothing."""


async def write_tokens() -> AsyncGenerator[CompletionDelta]:
    """Yield tokens that come through a queue, one per turn of the event loop."""
    event_loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[CompletionDelta] = asyncio.Queue()
    usage = Usage(2048, 2000, NUM_NEW_TOKENS, 0.1, 5.0, 40.0)

    def write(index: int) -> None:
        if index + 1 == NUM_NEW_TOKENS:
            inbox.put_nowait(CompletionDelta(" token", (index,), "length", usage))
            return
        inbox.put_nowait(CompletionDelta(" token", (index,)))
        event_loop.call_soon(write, index + 1)

    event_loop.call_soon(write, 0)
    while True:
        delta = await inbox.get()
        yield delta
        if delta.usage is not None:
            return


def make_bodies(text: str, num_chars: int, count: int, is_typed: bool) -> list[bytes]:
    """Return request bodies of some length: one document typed into, or others each time."""
    bodies: list[bytes] = []
    for index in range(count):
        start = 0 if is_typed else 97 * (index + 1)
        hole = start + int(num_chars * (1 - SUFFIX_SHARE)) - count
        body = {
            "model": "fimserve",
            "prompt": text[start : hole + index if is_typed else hole + count],
            "suffix": text[hole + count : start + num_chars],
            "max_tokens": NUM_NEW_TOKENS,
            "temperature": 0,
            "stream": True,
            "session": "typed" if is_typed else f"cold-{index}",
            "path": "src/example.py",
            "language": "python",
        }
        bodies.append(json.dumps(body).encode())
    return bodies


async def ask(app: ASGIApp, engine: PlanningEngine, body: bytes) -> Times:
    """Return what the answer to one request takes, told by no client but this function."""
    unread = [body]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": unread.pop(), "more_body": False}

    statuses: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    path = "/v1/completions"
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    scope: dict[str, Any] = {
        **{"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}},
        **{"http_version": "1.1", "method": "POST", "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""},
        **{"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)},
    }
    started_cpu_s, started_s = time.thread_time(), time.perf_counter()
    await app(scope, receive, send)
    ended_s, ended_cpu_s = time.perf_counter(), time.thread_time()
    if statuses != [200]:
        raise RuntimeError(f"the service answered {statuses}")
    planning_s = engine.planned_s - engine.asked_s
    return Times(
        planning=planning_s * 1e3,
        http=(ended_s - started_s - planning_s) * 1e3,
        http_in=(engine.asked_s - started_s) * 1e3,
        cpu=(ended_cpu_s - started_cpu_s) * 1e3,
    )


async def ask_all(
    app: ASGIApp, engine: PlanningEngine, bodies: Sequence[bytes], profile: cProfile.Profile | None
) -> list[Times]:
    """Return what each request takes, one after the other."""
    for body in bodies[:NUM_WARM_UP]:
        await ask(app, engine, body)
    if profile is not None:
        profile.enable()
    times = [await ask(app, engine, body) for body in bodies[NUM_WARM_UP:]]
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    return times


def time_collection_ms() -> float:
    """Return how long Python's collector holds everything when it looks at all there is."""
    started_s = time.perf_counter()
    gc.collect()
    return (time.perf_counter() - started_s) * 1e3


def summarise(name: str, times: Sequence[Times]) -> dict[str, Any]:
    """Return the percentiles of each part."""
    summary: dict[str, Any] = {"name": name}
    for part in PARTS:
        parts = [getattr(one, part) for one in times]
        fifths = statistics.quantiles(parts, n=5)
        summary[part] = {
            "p20_ms": round(fifths[0], 4),
            "p50_ms": round(statistics.median(parts), 4),
            "p80_ms": round(fifths[-1], 4),
        }
    return summary


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    # The log line of a request is part of what it costs; where it ends up is not.
    logging.basicConfig(level=logging.INFO, filename=os.devnull)
    folder = Path(__file__).resolve().parents[2] / "fimserve"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    assembly = Assembly(load_model("embedded", "cpu", "auto"), EngineSettings(kv_memory_mib=256))
    engine = PlanningEngine(assembly, assembly.make_loop())
    app = make_app(engine)  # type: ignore[arg-type]  # tokens are asked for by text alone
    gc.collect()
    collecting_ms = time_collection_ms()
    gc.freeze()  # as the service does once it is ready
    num_chars = int(arguments.tokens * CHARS_PER_TOKEN)
    load_before = os.getloadavg()[0]
    summaries: list[dict[str, Any]] = []
    for name, is_typed in (("cold", False), ("keystroke", True)):
        bodies = make_bodies(text, num_chars, arguments.n + NUM_WARM_UP, is_typed)
        profile = cProfile.Profile() if arguments.profile else None
        summaries.append(summarise(name, uvloop.run(ask_all(app, engine, bodies, profile))))
    print(f"{'p50 / p80, ms':<14}" + "".join(f"{part:>16}" for part in PARTS))
    for summary in summaries:
        cells = (f"{summary[p]['p50_ms']:8.2f} /{summary[p]['p80_ms']:6.2f}" for p in PARTS)
        print(f"{summary['name']:<14}" + "".join(cells))
    print(f"full garbage collection without gc.freeze: {collecting_ms:.0f} ms")
    line = {"bench": "host", "tokens": arguments.tokens, "n": arguments.n}
    line |= {"new_tokens": NUM_NEW_TOKENS, "collecting_ms": round(collecting_ms, 1)}
    line |= describe_environment()
    line |= {"load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)]}
    print(json.dumps(line | {"timings": summaries}))


if __name__ == "__main__":
    main()
