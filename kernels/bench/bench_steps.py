"""Time whole steps of a model, without engine and server: what one token, a few guesses, several
sequences and a prompt take.

    python kernels/bench/bench_steps.py --model embedded --dtype auto --seconds 5

A table, then one JSON line. Times are in milliseconds; each is the shortest of all repetitions
within --seconds, beside it the median: on a machine that does other things too the shortest is
what the code takes, the median what the neighbours make of it. Prompts are computed in steps of
256 tokens, as the engine does. The pool holds random numbers; contents do not change the time.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from fimserve.models import CausalModel, ForwardBatch, KvPool, Piece, load_model

BLOCK_TOKENS = 32
STEP_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Timing:
    """Holds the times of one kind of step."""

    name: str
    shortest_ms: float
    median_ms: float
    num_repetitions: int


def time_it(name: str, act: Callable[[], object], seconds: float, device: torch.device) -> Timing:
    """Return the times of an act repeated for some seconds, at least three times."""
    act()
    times_ms: list[float] = []
    end_s = time.perf_counter() + seconds
    while time.perf_counter() < end_s or len(times_ms) < 3:
        started_s = time.perf_counter()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times_ms.append((time.perf_counter() - started_s) * 1e3)
    shortest, median = min(times_ms), statistics.median(times_ms)
    return Timing(name, round(shortest, 3), round(median, 3), len(times_ms))


def run_step(
    model: CausalModel, pool: KvPool, pieces: list[Piece], num_logits: int
) -> torch.Tensor:
    """Compute one step and the scores of its last rows."""
    hidden = model(ForwardBatch.make(pieces, BLOCK_TOKENS, model.device), pool)
    return model.logits(hidden[-num_logits:])


def make_sequence(index: int, num_tokens: int, num_context: int) -> Piece:
    """Return a piece in blocks of its own."""
    num_blocks = -(-(num_context + num_tokens) // BLOCK_TOKENS)
    first = index * num_blocks
    return Piece(list(range(100, 100 + num_tokens)), num_context, range(first, first + num_blocks))


def measure(model: CausalModel, context: int, prompt: int, seconds: float) -> list[Timing]:
    """Return the times of every kind of step."""
    num_blocks = -(-(max(context, prompt) + STEP_TOKENS) // BLOCK_TOKENS) * 8
    pool = model.make_pool(num_blocks, BLOCK_TOKENS)
    pool.data.normal_()

    def write_prompt() -> None:
        blocks = make_sequence(0, prompt, 0).blocks
        for start in range(0, prompt, STEP_TOKENS):
            ids = list(range(100, 100 + min(STEP_TOKENS, prompt - start)))
            run_step(model, pool, [Piece(ids, start, blocks)], 1)

    def add(name: str, act: Callable[[], object]) -> Timing:
        return time_it(name, act, seconds, model.device)

    timings: list[Timing] = []
    with torch.inference_mode():
        for rows in (1, 2, 4, 8):
            pieces = [make_sequence(0, rows, context)]
            name = f"{rows} tokens of one sequence behind {context}"
            timings.append(add(name, lambda p=pieces, n=rows: run_step(model, pool, p, n)))
        for count in (2, 4, 8):
            pieces = [make_sequence(index, 1, context) for index in range(count)]
            name = f"1 token of each of {count} sequences behind {context}"
            timings.append(add(name, lambda p=pieces, n=count: run_step(model, pool, p, n)))
        timings.append(add(f"prompt of {prompt}", write_prompt))
    return timings


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--context", type=int, default=1300)
    parser.add_argument("--prompt", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=5.0, help="per kind of step")
    arguments = parser.parse_args()
    model = load_model(arguments.model, arguments.device, arguments.dtype).model
    load_before = os.getloadavg()[0]
    timings = measure(model, arguments.context, arguments.prompt, arguments.seconds)
    for timing in timings:
        print(
            f"{timing.name:<48} {timing.shortest_ms:9.2f} ms  median {timing.median_ms:9.2f}"
            f"  of {timing.num_repetitions}"
        )
    settings = {
        "model": arguments.model,
        "device": str(model.device),
        "dtype": model.precision,
        "torch": torch.__version__,
        "num_threads": torch.get_num_threads(),
        "load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(settings | {"timings": [asdict(timing) for timing in timings]}))


if __name__ == "__main__":
    main()
