"""Time whole steps as the engine's graph runner replays them, beside the plain runner's.

    python kernels/bench/bench_recorded_steps.py --model DIRECTORY --dtype bf16

For each number of sequences: one token of each behind --context tokens, by the plain runner and on
fixed memory (a CUDA graph on a GPU), each step waited for; then steps launched one behind the other
and waited for once, which is what the device alone takes, with the bytes it has to read over that
time as a share of the card's rate. A table, then one JSON line, which --output appends to a file.
--adapter-rank R times the same steps again with every sequence on one of --adapters adapters of
random factors, and with every second sequence on one (from two sequences on). --profile adds which
kernels a step of one token consists of, with adapters where they are asked for. Runs on a CPU too,
where nothing is recorded and the times say nothing.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from environment import describe_environment

from fimserve.engine.graph_runner import GraphRunner
from fimserve.engine.kv_lease import CacheKey, Lease
from fimserve.engine.prefix_tree import Root
from fimserve.engine.runner import Runner
from fimserve.engine.sequence import Sequence
from fimserve.engine.step_plan import WorkItem
from fimserve.models import Adapter, CausalModel, LowRankChange, load_model

BLOCK_TOKENS = 32
PEAK_GB_S = 3040.0
"""Read rate of one H100 80GB, measured by a device-to-device copy."""


@dataclass(frozen=True, slots=True)
class Case:
    """Holds steps to time."""

    name: str
    items: list[WorkItem]
    slots: list[int]
    """Slot of each item's adapter; 0 = none."""


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


def make_adapter(model: CausalModel, rank: int) -> Adapter:
    """Return an adapter of random factors that changes every linear layer a little."""
    changes = {
        f"{model.config.stored_prefix}{part}": LowRankChange(
            torch.randn(rank, linear.in_features) * 1e-2, torch.randn(num_rows, rank) * 1e-2, 1.0
        )
        for linear in model.linears()
        for part, num_rows in linear.parts.items()
    }
    return Adapter("random", None, changes)


def adapter_bytes(model: CausalModel, slots: list[int]) -> int:
    """Return the bytes of the factors that a step reads."""
    return sum(
        factors.down.nbytes + factors.up.nbytes
        for linear in model.linears()
        for slot, factors in linear.changes.items()
        if slot in slots
    )


def with_adapters(case: Case, num_adapters: int) -> Iterator[Case]:
    """Yield a case with every sequence on an adapter, and with every second one."""
    slots = [1 + index % num_adapters for index in range(len(case.items))]
    yield Case(f"{case.name}, adapters", case.items, slots)
    if len(slots) > 1:
        half = [1 + index // 2 % num_adapters if index % 2 else 0 for index in range(len(slots))]
        yield Case(f"{case.name}, half on adapters", case.items, half)


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


def embedded_bytes(model: CausalModel) -> int:
    """Return the bytes of the token table where a step reads only some of its rows."""
    return model.parts.tokens.num_bytes if model.parts.head is not None else 0


def time_chain(
    recorded: GraphRunner, items: list[WorkItem], slots: list[int], num_steps: int
) -> float:
    """Return the milliseconds of a step among steps that nobody waits for but the last."""
    recorded.launch(items, slots).read()
    started_s = time.perf_counter()
    for _ in range(num_steps - 1):
        recorded.launch(items, slots)
    recorded.launch(items, slots).read()
    return (time.perf_counter() - started_s) * 1e3 / num_steps


def profile_step(
    recorded: GraphRunner, items: list[WorkItem], slots: list[int], num_steps: int = 5
) -> str:
    """Return a table of the kernels of some steps."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(num_steps):
            recorded.launch(items, slots).read()
    averages = profile.key_averages()
    return str(averages.table(sort_by="cuda_time_total", row_limit=16, max_name_column_width=44))


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--context", type=int, default=2047)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--new", type=int, nargs="+", default=[16], help="tokens of a prompt")
    parser.add_argument("--n", type=int, default=50)
    parser.add_argument("--adapter-rank", type=int, default=0, help="0 = no adapters")
    parser.add_argument("--adapters", type=int, default=4, help="how many different ones")
    parser.add_argument("--profile", action="store_true", help="show the kernels of a step")
    parser.add_argument("--output", type=Path, help="file that the JSON line is appended to")
    arguments = parser.parse_args()
    model = load_model(arguments.model, arguments.device, arguments.dtype).model
    most = max(arguments.rows)
    reach = arguments.context + max(64, *arguments.new)
    num_blocks = most * -(-reach // BLOCK_TOKENS)
    pool = model.make_pool(num_blocks, BLOCK_TOKENS)
    pool.data.normal_()
    vocab = model.config.vocab_size
    plain = Runner(model, pool, vocab)
    lora = None
    if arguments.adapter_rank:
        lora = model.keep_adapters(arguments.adapters, arguments.adapter_rank)
        for slot in range(1, arguments.adapters + 1):
            model.add_adapter(slot, make_adapter(model, arguments.adapter_rank))
    recorded = GraphRunner(model, pool, vocab, reach, most, 2048, frozenset(), lora)
    timings: list[dict[str, object]] = []
    cases = [
        Case(f"1 token of {count}", make_items(count, 1, arguments.context), [0] * count)
        for count in arguments.rows
    ]
    for num_new in arguments.new:
        context = arguments.context if num_new < arguments.context else 0
        cases.append(Case(f"{num_new} tokens of 1", make_items(1, num_new, context), [0]))
    if lora is not None:
        cases += [adapted for case in cases for adapted in with_adapters(case, arguments.adapters)]
    for case in cases:
        name, items, slots, count = case.name, case.items, case.slots, len(case.items)
        plain_ms = time_it(lambda i=items, s=slots: plain.launch(i, s).read(), arguments.n)
        fixed_ms = time_it(lambda i=items, s=slots: recorded.launch(i, s).read(), arguments.n)
        kv_bytes = pool.num_bytes / num_blocks / BLOCK_TOKENS * arguments.context * count
        chained_ms = time_chain(recorded, items, slots, arguments.n)
        read_bytes = model.num_bytes - embedded_bytes(model) + kv_bytes
        read_bytes += adapter_bytes(model, slots)
        share = read_bytes / chained_ms / 1e6 / PEAK_GB_S
        print(
            f"{name:<34} plain {plain_ms:8.3f} ms, on fixed memory {fixed_ms:8.3f} ms,"
            f" in a row {chained_ms:8.3f} ms {share:6.1%}",
            flush=True,
        )
        timings.append(
            {
                "name": name, "plain_p50_ms": plain_ms, "fixed_p50_ms": fixed_ms,
                "chained_ms": chained_ms, "read_bytes": read_bytes, "roofline_share": share,
            }
        )  # fmt: skip
    if arguments.profile:
        adapted = next((case for case in cases if any(case.slots)), cases[0])
        print(profile_step(recorded, adapted.items, adapted.slots))
    line = {
        "bench": "recorded-steps",
        "model": Path(arguments.model).name,
        "n": arguments.n,
        "dtype": model.precision,
        "device": str(model.device),
        "context": arguments.context,
        "adapter_rank": arguments.adapter_rank,
        "num_adapters": arguments.adapters if arguments.adapter_rank else 0,
    }
    line |= describe_environment() | {"timings": timings}
    print(json.dumps(line))
    if arguments.output is not None:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
