"""Time every operation on the shapes of served models: milliseconds, GB/s, share of the roofline.

    python kernels/bench/bench_ops.py --model deepseek-coder-1.3b --tune

Times are CUDA events around replays of a graph that holds a chain of launches, over the number of
them; the median of --n. Large operands differ from launch to launch, so that they come from memory,
as in a step; small ones stay in the second-level cache, as in a step. The floor of an operation is
the bytes it has to move once, over the memory's rate (3.04 TB/s read on an H100 80GB, measured).
--tune first measures the launches of the products and attention that are worth it and keeps the
fastest on disk; --jobs processes compile them beforehand. A table, then one JSON line, which
--output appends to a file. Needs a CUDA device.
"""

import argparse
import functools
import json
import multiprocessing
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from environment import describe_environment
from model_shapes import SHAPES, ModelShape

from fimkernels import ops
from fimkernels.packed_weight import Form, quantise_weight
from fimkernels.tuning import Key, Launch, try_launch, tune_launch

PEAK_GB_S = 3040.0
"""Read rate of one H100 80GB, measured by a device-to-device copy."""
FORMS: list[tuple[Form, int | None]] = [
    ("dense", None), ("int8", None), ("fp8", None), ("int4", 128),
]  # fmt: skip
ROWS = (1, 4, 16, 64)
BLOCK_TOKENS = 32
KIND = torch.bfloat16
CHAIN_LENGTH = 24
"""Launches in a chain, at least."""
COLD_BYTES = 200 << 20
"""Four times the second-level cache: what is read in turns this long apart is read from memory."""


@dataclass(frozen=True, slots=True)
class Case:
    """Holds one operation on one shape."""

    name: str
    num_bytes: int
    """Bytes that have to be moved once."""
    runs: list[Callable[[], object]]
    """The operation, on other operands each time where these are large."""
    choice: "Choice | None" = None
    """What may be found by measuring; None where there is nothing to find."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Holds the launches that an operation may have."""

    operation: str
    key: Key
    candidates: list[Launch]


@dataclass(frozen=True, slots=True)
class Timing:
    """Holds what one case took."""

    name: str
    p20_ms: float
    p50_ms: float
    p80_ms: float
    achieved_gb_s: float
    roofline_share: float


class Clock:
    """Times chains of acts.

    Args:
        num_runs: Runs of each chain.
    """

    def __init__(self, num_runs: int) -> None:
        self._num_runs = num_runs

    def measure(self, acts: list[Callable[[], object]]) -> list[float]:
        """Return the milliseconds of one act in a chain of them, sorted."""
        chain = acts * -(-CHAIN_LENGTH // len(acts))
        for act in acts:
            act()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for act in chain:
                act()
        graph.replay()
        pairs = [
            (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
            for _ in range(self._num_runs)
        ]
        for begin, end in pairs:
            begin.record()
            graph.replay()
            end.record()
        torch.cuda.synchronize()
        return sorted(begin.elapsed_time(end) / len(chain) for begin, end in pairs)

    def median(self, acts: list[Callable[[], object]]) -> float:
        """Return the median milliseconds of one act in a chain of them."""
        return statistics.median(self.measure(acts))


def count_copies(num_bytes: int) -> int:
    """Return how many operands of a size come from memory when they are read in turns."""
    return max(2, min(CHAIN_LENGTH, -(-COLD_BYTES // num_bytes)))


def randn(*shape: int) -> torch.Tensor:
    """Return random numbers on the card."""
    return torch.randn(*shape, dtype=KIND, device="cuda")


def list_products(shape: ModelShape) -> Iterator[Case]:
    """Yield the products of a layer and of the output layer."""
    from fimkernels.triton.matmul import launch_key, list_launches

    for name, (rows, columns) in shape.matrices().items():
        for form, group in FORMS:
            if group is not None and columns % group:
                continue
            weight = quantise_weight(randn(rows, columns), form, group)
            copies = [weight]
            for _ in range(count_copies(weight.num_bytes) - 1):
                copies.append(replace(weight, codes=weight.codes.clone()))
            for tokens in ROWS:
                x = randn(tokens, columns)
                runs: list[Callable[[], object]] = [
                    functools.partial(ops.multiply, x, copy) for copy in copies
                ]
                choice = Choice("multiply", launch_key(x, weight), list_launches(weight, tokens))
                moved = weight.num_bytes + 2 * tokens * (rows + columns)
                yield Case(f"multiply {name} {form} x{tokens}", moved, runs, choice)


def list_attention(shape: ModelShape) -> Iterator[Case]:
    """Yield decoding and a piece of a prompt behind a cached prefix."""
    import triton

    group = shape.num_heads // shape.num_kv_heads
    heads = (shape.num_kv_heads, shape.head_dim)
    for name, context, new, count in (
        ("decode", 2047, 1, 4), ("decode", 2047, 1, 16), ("decode", 2047, 1, 64),
        ("keystroke", 2032, 16, 1), ("prompt", 0, 2048, 1), ("prompt", 1536, 512, 1),
    ):  # fmt: skip
        tile_rows = 1 if new == 1 else max(2, 64 // group)
        per_sequence = -(-new // tile_rows)
        tiles = torch.tensor(
            [
                (b, b * new + r, min(tile_rows, new - r))
                for b in range(count)
                for r in range(0, new, tile_rows)
            ],
            dtype=torch.int32,
            device="cuda",
        )
        max_blocks = -(-(context + new) // BLOCK_TOKENS)
        tables = torch.randperm(count * max_blocks, device="cuda").int().view(count, -1)
        slots = count * max_blocks * BLOCK_TOKENS
        queries = randn(count * new, shape.num_heads, shape.head_dim)
        positions = torch.arange(context, context + new, device="cuda").repeat(count)
        programs = count * per_sequence * shape.num_kv_heads
        num_splits = max(1, min(16, -(-264 // programs)))
        kv_bytes = 4 * count * (context + new) * shape.num_kv_heads * shape.head_dim
        runs: list[Callable[[], object]] = [
            functools.partial(
                ops.paged_attention, queries, memory, positions, tables, tiles,
                scale=shape.head_dim**-0.5, block_tokens=BLOCK_TOKENS,
                tile_rows=tile_rows, num_splits=num_splits,
            )
            for memory in randn(count_copies(kv_bytes), 2, slots, *heads)
        ]  # fmt: skip
        block_m = max(16, triton.next_power_of_2(tile_rows * group))
        choice = Choice(
            "attention",
            (str(KIND), shape.head_dim, block_m, tile_rows == 1, num_splits > 1),
            [
                Launch(block_n=block_n, num_warps=warps, num_stages=stages)
                for block_n in (32, 64, 128)
                for warps in (4, 8)
                for stages in (2, 3)
            ],
        )
        moved = kv_bytes + 2 * 2 * queries.numel()
        yield Case(f"attention {name} {context}+{new} x{count}", moved, runs, choice)


def list_decoding(shape: ModelShape) -> Iterator[Case]:
    """Yield attention of one and two decoded tokens from their projection on."""
    heads = (shape.num_heads, shape.head_dim)
    if shape.num_heads != shape.num_kv_heads:
        return
    context = 2047
    max_blocks = (context + 1) // BLOCK_TOKENS
    for count in (1, 2):
        moved = 4 * count * (context + 1) * shape.num_heads * shape.head_dim
        num_splits = min(32, -(-528 // (count * shape.num_heads)))
        angles = randn(count, shape.head_dim)
        tables = torch.randperm(count * max_blocks, device="cuda").int().view(count, -1)
        positions = torch.full((count,), context, device="cuda")
        runs: list[Callable[[], object]] = [
            functools.partial(
                ops.decode_attention, randn(count, 3 * shape.num_heads * shape.head_dim), None,
                (angles, angles), memory,
                tables[:, -1].long() * BLOCK_TOKENS + BLOCK_TOKENS - 1, positions, tables,
                torch.tensor([(n, n, 1) for n in range(count)], dtype=torch.int32, device="cuda"),
                torch.zeros(count * shape.num_heads, dtype=torch.int32, device="cuda"),
                scale=shape.head_dim**-0.5, block_tokens=BLOCK_TOKENS, num_splits=num_splits,
            )
            for memory in randn(
                count_copies(moved), 2, count * max_blocks * BLOCK_TOKENS, *heads
            )
        ]  # fmt: skip
        choice = Choice(
            "decode_attention",
            (str(KIND), shape.head_dim, num_splits > 1),
            [
                Launch(block_n=block_n, num_warps=warps)
                for block_n in (16, 32, 64)
                for warps in (2, 4, 8)
            ],
        )
        yield Case(f"decode_attention {context}+1 x{count}", moved, runs, choice)


def list_small(shape: ModelShape) -> Iterator[Case]:
    """Yield the operations between the products."""
    size, inner = shape.hidden_size, shape.intermediate_size
    for rows in (1, 16, 64, 512):
        x, residual, weight = randn(rows, size), randn(rows, size), randn(size)
        yield Case(
            f"add_rms_norm x{rows}", 8 * rows * size,
            [functools.partial(ops.add_rms_norm, x, residual, weight, 1e-5)],
        )  # fmt: skip
        gate_up = randn(rows, 2 * inner)
        yield Case(
            f"silu_and_multiply x{rows}", 6 * rows * inner,
            [functools.partial(ops.silu_and_multiply, gate_up)],
        )  # fmt: skip
        columns = (shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim
        memory = randn(2, 4096, shape.num_kv_heads, shape.head_dim)
        projected = randn(rows, columns)
        slots, angles = torch.randperm(4096, device="cuda")[:rows], randn(rows, shape.head_dim)
        yield Case(
            f"rotate_and_store x{rows}", 4 * rows * columns,
            [functools.partial(
                ops.rotate_and_store, projected, None, (angles, angles), memory, slots,
                shape.num_heads,
            )],
        )  # fmt: skip
    for rows in (1, 16, 64):
        scores = randn(rows, shape.vocab_size).float()
        ones = torch.ones(rows, device="cuda")
        for name, temperature in (("greedy", 0.0), ("top-k top-p", 0.8)):
            yield Case(
                f"sample {name} x{rows}", 4 * scores.numel(),
                [functools.partial(
                    ops.sample, scores, None, temperature * ones, (40 * ones).int(),
                    0.9 * ones, 0 * ones, 0.5 * ones,
                )],
            )  # fmt: skip
        output, x = randn(rows, size), randn(rows, size)
        down, up = randn(4, size, 16), randn(4, 16, size)
        tiles = torch.tensor([(r % 4, r, 1) for r in range(rows)], dtype=torch.int32, device="cuda")
        ranks = torch.full((4,), 16, dtype=torch.int32, device="cuda")
        yield Case(
            f"add_lora rank 16 x{rows}", 2 * min(rows, 4) * 2 * 16 * size + 6 * rows * size,
            [functools.partial(ops.add_lora, output, x, down, up, ranks, tiles, 16)],
        )  # fmt: skip


def list_cases(shape: ModelShape) -> Iterator[Case]:
    """Yield every operation that is timed."""
    yield from list_products(shape)
    yield from list_attention(shape)
    yield from list_decoding(shape)
    yield from list_small(shape)


def compile_part(name: str, only: str, part: int, num_parts: int) -> None:
    """Run every num_parts-th launch of each choice once, so that all are compiled."""
    number = 0
    for case in list_cases(SHAPES[name]):
        if case.choice is None or not case.name.startswith(only):
            continue
        for launch in case.choice.candidates:
            number += 1
            if number % num_parts == part:
                try_launch(case.choice.operation, launch, case.runs[0])


def compile_all(name: str, only: str, num_jobs: int) -> None:
    """Compile the launches of a model's choices in several processes."""
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=compile_part, args=(name, only, part, num_jobs))
        for part in range(num_jobs)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def time_case(case: Case, clock: Clock) -> Timing:
    """Return what a case takes."""
    times = clock.measure(case.runs)
    p20, p50, p80 = (times[int(len(times) * share)] for share in (0.2, 0.5, 0.8))
    achieved = case.num_bytes / p50 / 1e6
    return Timing(case.name, p20, p50, p80, achieved, achieved / PEAK_GB_S)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(SHAPES), default="deepseek-coder-1.3b")
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--tune", action="store_true", help="find the fastest launches first")
    parser.add_argument("--only", default="", help="beginning of the names of what is timed")
    parser.add_argument("--jobs", type=int, default=14, help="processes that compile for --tune")
    parser.add_argument("--output", type=Path, help="file that the JSON line is appended to")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench_ops needs a CUDA device; on a CPU the kernels are only interpreted")
    shape, clock = SHAPES[arguments.model], Clock(arguments.n)
    timings: list[Timing] = []
    if arguments.tune:
        compile_all(arguments.model, arguments.only, arguments.jobs)
    for case in list_cases(shape):
        if not case.name.startswith(arguments.only):
            continue
        if arguments.tune and case.choice is not None:
            choice = case.choice
            tune_launch(
                choice.operation, choice.key, choice.candidates, lambda c=case: clock.median(c.runs)
            )
        timing = time_case(case, clock)
        timings.append(timing)
        print(
            f"{timing.name:<44} {timing.p50_ms * 1e3:9.1f} us {timing.achieved_gb_s:7.0f} GB/s"
            f" {timing.roofline_share:6.1%}",
            flush=True,
        )
    line = {"bench": "ops", "model": arguments.model, "n": arguments.n}
    line |= describe_environment() | {"timings": [asdict(timing) for timing in timings]}
    print(json.dumps(line))
    if arguments.output is not None:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
