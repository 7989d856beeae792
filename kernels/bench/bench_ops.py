"""Time every operation on the shapes of served models: milliseconds, GB/s, share of the roofline.

    python kernels/bench/bench_ops.py --model deepseek-coder-1.3b --tune

Times are CUDA events around replays of a graph that holds one launch, with the second-level cache
flushed before each; the median of --n. The floor of an operation is the bytes it has to move once,
over the memory's rate (3.04 TB/s read on an H100 80GB, measured). --tune first measures every
launch of the products and attention and keeps the fastest on disk. A table, then one JSON line,
which --output appends to a file. Needs a CUDA device.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from environment import describe_environment
from model_shapes import SHAPES, ModelShape

from fimkernels import ops
from fimkernels.packed_weight import Form, quantise_weight
from fimkernels.tuning import Launch, tune_launch

PEAK_GB_S = 3040.0
"""Read rate of one H100 80GB, measured by a device-to-device copy."""
FORMS: list[tuple[Form, int | None]] = [
    ("dense", None), ("int8", None), ("fp8", None), ("int4", 128),
]  # fmt: skip
ROWS = (1, 4, 16, 64)
BLOCK_TOKENS = 32
KIND = torch.bfloat16


@dataclass(frozen=True, slots=True)
class Case:
    """Holds one operation on one shape."""

    name: str
    num_bytes: int
    """Bytes that have to be moved once."""
    run: Callable[[], object]
    tune: Callable[[], object] | None = None
    """Finds its launch; None where there is nothing to find."""


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
    """Times acts on a flushed cache.

    Args:
        num_runs: Runs of each act.
    """

    def __init__(self, num_runs: int) -> None:
        self._num_runs = num_runs
        self._flush = torch.empty(64 << 20, dtype=torch.int32, device="cuda")  # 256 MiB

    def measure(self, act: Callable[[], object]) -> list[float]:
        """Return the milliseconds of an act, sorted."""
        act()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            act()
        pairs = [
            (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
            for _ in range(self._num_runs)
        ]
        for begin, end in pairs:
            self._flush.zero_()
            begin.record()
            graph.replay()
            end.record()
        torch.cuda.synchronize()
        return sorted(begin.elapsed_time(end) for begin, end in pairs)

    def median(self, act: Callable[[], object]) -> float:
        """Return the median milliseconds of an act."""
        return statistics.median(self.measure(act))


def randn(*shape: int) -> torch.Tensor:
    """Return random numbers on the card."""
    return torch.randn(*shape, dtype=KIND, device="cuda")


def list_products(shape: ModelShape, clock: Clock) -> Iterator[Case]:
    """Yield the products of a layer and of the output layer."""
    from fimkernels.triton.matmul import launch_key, list_launches

    for name, (rows, columns) in shape.matrices().items():
        for form, group in FORMS:
            if group is not None and columns % group:
                continue
            weight = quantise_weight(randn(rows, columns), form, group)
            for tokens in ROWS:
                x = randn(tokens, columns)

                def run(x: torch.Tensor = x, weight: object = weight) -> object:
                    return ops.multiply(x, weight)  # type: ignore[arg-type]

                def tune(
                    x: torch.Tensor = x,
                    weight: object = weight,
                    run: Callable[[], object] = run,
                ) -> object:
                    key = launch_key(x, weight)  # type: ignore[arg-type]
                    candidates = list_launches(weight)  # type: ignore[arg-type]
                    return tune_launch("multiply", key, candidates, run, clock.median)

                moved = weight.num_bytes + 2 * tokens * (rows + columns)
                yield Case(f"multiply {name} {form} x{tokens}", moved, run, tune)


def list_attention(shape: ModelShape, clock: Clock) -> Iterator[Case]:
    """Yield decoding and a piece of a prompt behind a cached prefix."""
    import triton

    group = shape.num_heads // shape.num_kv_heads
    for name, context, new, count in (
        ("decode", 2047, 1, 1), ("decode", 2047, 1, 16), ("decode", 2047, 1, 64),
        ("keystroke", 2032, 16, 1), ("prompt", 0, 2048, 1), ("prompt", 1536, 512, 1),
    ):  # fmt: skip
        tile_rows = 1 if new == 1 else max(1, 64 // group)
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
        memory = randn(2, slots, shape.num_kv_heads, shape.head_dim)
        queries = randn(count * new, shape.num_heads, shape.head_dim)
        positions = torch.arange(context, context + new, device="cuda").repeat(count)
        programs = count * per_sequence * shape.num_kv_heads
        num_splits = max(1, min(16, -(-264 // programs)))

        def run(
            queries: torch.Tensor = queries,
            memory: torch.Tensor = memory,
            positions: torch.Tensor = positions,
            tables: torch.Tensor = tables,
            tiles: torch.Tensor = tiles,
            tile_rows: int = tile_rows,
            num_splits: int = num_splits,
        ) -> object:
            return ops.paged_attention(
                queries, memory, positions, tables, tiles, scale=shape.head_dim**-0.5,
                block_tokens=BLOCK_TOKENS, tile_rows=tile_rows, num_splits=num_splits,
            )  # fmt: skip

        def tune(
            run: Callable[[], object] = run,
            block_m: int = max(16, triton.next_power_of_2(tile_rows * group)),
            num_splits: int = num_splits,
        ) -> object:
            key = (str(KIND), shape.head_dim, block_m, num_splits > 1)
            candidates = [
                Launch(block_n=block_n, num_warps=warps, num_stages=stages)
                for block_n in (32, 64, 128)
                for warps in (4, 8)
                for stages in (2, 3, 4)
            ]
            return tune_launch("attention", key, candidates, run, clock.median)

        kv_bytes = 4 * count * (context + new) * shape.num_kv_heads * shape.head_dim
        moved = kv_bytes + 2 * 2 * queries.numel()
        yield Case(f"attention {name} {context}+{new} x{count}", moved, run, tune)


def list_small(shape: ModelShape) -> Iterator[Case]:
    """Yield the operations between the products."""
    size, inner = shape.hidden_size, shape.intermediate_size
    for rows in (1, 16, 64, 512):
        x, residual, weight = randn(rows, size), randn(rows, size), randn(size)
        yield Case(
            f"add_rms_norm x{rows}", 8 * rows * size,
            lambda x=x, r=residual, w=weight: ops.add_rms_norm(x, r, w, 1e-5),
        )  # fmt: skip
        gate_up = randn(rows, 2 * inner)
        yield Case(
            f"silu_and_multiply x{rows}", 6 * rows * inner,
            lambda g=gate_up: ops.silu_and_multiply(g),
        )  # fmt: skip
        columns = (shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim
        memory = randn(2, 4096, shape.num_kv_heads, shape.head_dim)
        projected = randn(rows, columns)
        slots, angles = torch.randperm(4096, device="cuda")[:rows], randn(rows, shape.head_dim)
        yield Case(
            f"rotate_and_store x{rows}", 4 * rows * columns,
            lambda p=projected, a=angles, m=memory, s=slots: ops.rotate_and_store(
                p, None, (a, a), m, s, shape.num_heads
            ),
        )  # fmt: skip
    for rows in (1, 16, 64):
        scores = randn(rows, shape.vocab_size).float()
        ones = torch.ones(rows, device="cuda")
        for name, temperature in (("greedy", 0.0), ("top-k top-p", 0.8)):
            yield Case(
                f"sample {name} x{rows}", 4 * scores.numel(),
                lambda s=scores, t=temperature, o=ones: ops.sample(
                    s, None, t * o, (40 * o).int(), 0.9 * o, 0 * o, 0.5 * o
                ),
            )  # fmt: skip
        output, x = randn(rows, size), randn(rows, size)
        down, up = randn(4, size, 16), randn(4, 16, size)
        tiles = torch.tensor([(r % 4, r, 1) for r in range(rows)], dtype=torch.int32, device="cuda")
        yield Case(
            f"add_lora rank 16 x{rows}", 2 * min(rows, 4) * 2 * 16 * size + 6 * rows * size,
            lambda o=output, x=x, d=down, u=up, t=tiles: ops.add_lora(
                o, x, d, u, t
            ),
        )  # fmt: skip


def time_case(case: Case, clock: Clock) -> Timing:
    """Return what a case takes."""
    times = clock.measure(case.run)
    p20, p50, p80 = (times[int(len(times) * share)] for share in (0.2, 0.5, 0.8))
    achieved = case.num_bytes / p50 / 1e6
    return Timing(case.name, p20, p50, p80, achieved, achieved / PEAK_GB_S)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(SHAPES), default="deepseek-coder-1.3b")
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--tune", action="store_true", help="find the fastest launches first")
    parser.add_argument("--output", type=Path, help="file that the JSON line is appended to")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench_ops needs a CUDA device; on a CPU the kernels are only interpreted")
    shape, clock = SHAPES[arguments.model], Clock(arguments.n)
    timings: list[Timing] = []
    for cases in (list_products(shape, clock), list_attention(shape, clock), list_small(shape)):
        for case in cases:
            if arguments.tune and case.tune is not None:
                case.tune()
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
