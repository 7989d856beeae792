"""Time what a request costs the host before its first step: tokenising, healing, looking up.

    python kernels/bench/bench_host.py --tokens 2048 --n 50 --profile

Requests are planned by the engine's own loop on the embedded model's tokenizer, and cancelled
before a step runs: once as cold files, once as keystrokes of one session. A table, then one JSON
line.
--profile adds where the time goes. HTTP, JSON and server-sent events are not in it: `fimserve bench
latency` against a server has them, together with the steps.
"""

import argparse
import cProfile
import json
import os
import pstats
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from environment import describe_environment

from fimserve.engine import CompletionRequest, EngineSettings
from fimserve.engine.assembly import Assembly, now_ms
from fimserve.engine.loop import EngineLoop
from fimserve.engine.ticket import Ticket
from fimserve.models import load_model

CHARS_PER_TOKEN = 3.5
SUFFIX_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Timing:
    """Holds the times of one kind of request."""

    name: str
    p20_ms: float
    p50_ms: float
    p80_ms: float


def make_requests(text: str, num_chars: int, count: int, is_typed: bool) -> list[CompletionRequest]:
    """Return requests of some length: one document typed on, or others each time."""
    requests: list[CompletionRequest] = []
    for index in range(count):
        start = 0 if is_typed else 97 * (index + 1)
        cursor = start + int(num_chars * (1 - SUFFIX_SHARE)) + (index if is_typed else 0)
        requests.append(
            CompletionRequest(
                text[start:cursor],
                text[cursor : start + num_chars],
                max_tokens=32,
                session="typed" if is_typed else f"cold-{index}",
            )
        )
    return requests


def plan_all(loop: EngineLoop, requests: list[CompletionRequest]) -> list[float]:
    """Return the sorted milliseconds that taking each request in takes."""
    times: list[float] = []
    for request in requests:
        ticket = Ticket(request, now_ms(), lambda item: None)
        started_s = time.perf_counter()
        loop.submit(ticket)
        times.append((time.perf_counter() - started_s) * 1e3)
        loop.end(ticket, "cancelled")
    return sorted(times)


def summarise(name: str, times: list[float]) -> Timing:
    """Return the percentiles of some times."""
    fifths = statistics.quantiles(times, n=5)
    return Timing(name, fifths[0], statistics.median(times), fifths[-1])


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    folder = Path(__file__).resolve().parents[2] / "fimserve"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    loaded = load_model("embedded", "cpu", "auto")
    loop = Assembly(loaded, EngineSettings(kv_memory_mib=256)).make_loop()
    num_chars = int(arguments.tokens * CHARS_PER_TOKEN)
    load_before = os.getloadavg()[0]
    timings: list[Timing] = []
    for name, is_typed in (("cold", False), ("keystroke", True)):
        requests = make_requests(text, num_chars, arguments.n + 3, is_typed)
        plan_all(loop, requests[:3])
        profile = cProfile.Profile()
        if arguments.profile:
            profile.enable()
        timings.append(summarise(name, plan_all(loop, requests[3:])))
        if arguments.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("cumulative").print_stats(18)
    for timing in timings:
        print(f"{timing.name:<10} p50 {timing.p50_ms:7.2f} ms  p80 {timing.p80_ms:7.2f} ms")
    line = {"bench": "host", "tokens": arguments.tokens, "n": arguments.n}
    line |= describe_environment()
    line |= {"load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)]}
    line |= {
        "timings": [
            {"name": t.name, "p20_ms": t.p20_ms, "p50_ms": t.p50_ms, "p80_ms": t.p80_ms}
            for t in timings
        ]
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
