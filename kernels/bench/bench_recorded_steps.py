"""Time whole steps as the engine's graph runner replays them, beside the plain runner's.

    python kernels/bench/bench_recorded_steps.py --model DIRECTORY --dtype bf16

For each number of sequences: one token of each behind --context tokens, by the plain runner and on
fixed memory (a CUDA graph on a GPU), with the bytes of the weights over the time as a share of the
card's rate. A table, then one JSON line, which --output appends to a file. Runs on a CPU too, where
nothing is recorded and the times say nothing.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from environment import describe_environment

from fimserve.engine.graph_runner import GraphRunner
from fimserve.engine.kv_lease import CacheKey, Lease
from fimserve.engine.prefix_tree import Root
from fimserve.engine.runner import Runner
from fimserve.engine.sequence import Sequence
from fimserve.engine.step_plan import WorkItem
from fimserve.models import load_model

BLOCK_TOKENS = 32
PEAK_GB_S = 3040.0
"""Read rate of one H100 80GB, measured by a device-to-device copy."""


def make_items(count: int, num_new: int, context: int) -> list[WorkItem]:
    """Return work of some sequences, each in blocks of its own."""
    each = -(-(context + num_new) // BLOCK_TOKENS)
    items: list[WorkItem] = []
    for index in range(count):
        key = CacheKey("bench")
        lease = Lease(
            key, Root(b"", b"", None), blocks=list(range(index * each, (index + 1) * each))
        )
        sequence = Sequence(index, key, [], 0, 1, "interactive", 0.0)
        ids = list(range(100, 100 + num_new))
        items.append(WorkItem(sequence, lease, context, ids, [], 1, num_new > 1, True))
    return items


def time_it(act: Callable[[], object], num_runs: int) -> float:
    """Return the median milliseconds of an act that waits for its result."""
    for _ in range(3):
        act()
    times: list[float] = []
    for _ in range(num_runs):
        started_s = time.perf_counter()
        act()
        times.append((time.perf_counter() - started_s) * 1e3)
    return statistics.median(times)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--context", type=int, default=2047)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--output", type=Path, help="file that the JSON line is appended to")
    arguments = parser.parse_args()
    model = load_model(arguments.model, arguments.device, arguments.dtype).model
    most = max(arguments.rows)
    num_blocks = most * -(-(arguments.context + 64) // BLOCK_TOKENS)
    pool = model.make_pool(num_blocks, BLOCK_TOKENS)
    pool.data.normal_()
    vocab = model.config.vocab_size
    plain = Runner(model, pool, vocab)
    recorded = GraphRunner(model, pool, vocab, arguments.context + 64, most)
    timings: list[dict[str, object]] = []
    cases = [(f"1 token of {count}", make_items(count, 1, arguments.context), count)
             for count in arguments.rows]  # fmt: skip
    cases.append(("16 tokens of 1", make_items(1, 16, arguments.context), 1))
    for name, items, count in cases:
        slots = [0] * len(items)
        plain_ms = time_it(lambda i=items, s=slots: plain.launch(i, s).read(), arguments.n)
        fixed_ms = time_it(lambda i=items, s=slots: recorded.launch(i, s).read(), arguments.n)
        kv_bytes = pool.num_bytes / num_blocks / BLOCK_TOKENS * arguments.context * count
        share = (model.num_bytes + kv_bytes) / fixed_ms / 1e6 / PEAK_GB_S
        print(
            f"{name:<16} plain {plain_ms:8.3f} ms, on fixed memory {fixed_ms:8.3f} ms {share:6.1%}"
        )
        timings.append(
            {
                "name": name, "plain_p50_ms": plain_ms, "fixed_p50_ms": fixed_ms,
                "roofline_share": share,
            }
        )  # fmt: skip
    line = {
        "bench": "recorded-steps",
        "model": Path(arguments.model).name,
        "n": arguments.n,
        "dtype": model.precision,
        "device": str(model.device),
        "context": arguments.context,
    }
    line |= describe_environment() | {"timings": timings}
    print(json.dumps(line))
    if arguments.output is not None:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
