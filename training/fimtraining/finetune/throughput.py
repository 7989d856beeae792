"""Measure what packing and kernels bring: the same examples packed as here, and padded as usual.

    python -m fimtraining.finetune.throughput RECIPE.toml --data MINED --set base=MODEL --passes 20

Both sides train the same adapter on the same examples in the same order, forward, backward and
optimiser step. `packed` fills rows with whole examples (and takes Liger's kernels on a GPU that has
them, as `fimserve train` does); `padded` gives each example a row of its own, as long as the
longest of its batch, with as many examples to a batch as a packed pass holds. Tokens are those of
examples, padding apart. The share of the peak counts 4 operations per weight and token: the frozen
weights are multiplied with once forward and once backward. A table, then one JSON line last.
"""

import gc
import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor

from fimtraining.finetune.base import open_base
from fimtraining.finetune.examples import find_orders
from fimtraining.finetune.recipe import RecipeError, TrainRecipe, load_recipe
from fimtraining.finetune.rows import IGNORED, prepare_rows
from fimtraining.finetune.run import describe_environment, has_liger, make_model
from fimtraining.finetune.spans import MinedSpans, SpansError

WARMUP = 3
"""Passes that are not timed."""

Batch = dict[str, Tensor]


def measure_throughput(
    recipe: TrainRecipe, data: Path, work: Path, passes: int, peak_tflops: float | None = None
) -> dict[str, Any]:
    """Train a few passes on each side.

    Args:
        recipe: The run; its rows_per_pass is the size of a pass.
        data: Output of `fimserve mine`.
        work: Directory for rows.
        passes: Timed passes of each side.
        peak_tflops: What the device multiplies at most, in its precision; None tells no share.

    Returns:
        For `packed` and `padded` tokens/s, padding, memory and the share of the peak.
    """
    base = open_base(recipe.base, work)
    spans = MinedSpans(data, "train")
    num_rows = (passes + WARMUP) * recipe.rows_per_pass
    orders = find_orders(recipe, base.orders)
    rows, _ = prepare_rows(work / "rows", spans, recipe, orders, base.renderer, num_rows)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pieces = [list(_unpack(row)) for row in rows]
    per_pass = max(1, round(recipe.rows_per_pass * sum(map(len, pieces)) / len(pieces)))
    examples = [piece for row in pieces for piece in row]
    sides = {
        "packed": _pack_batches(rows, recipe.rows_per_pass),
        "padded": _pad_batches(examples, per_pass, base.renderer.end_token_id),
    }
    found: dict[str, Any] = {}
    for name, batches in sides.items():
        model = make_model(recipe, base, device)
        if name == "packed" and device.type == "cuda" and has_liger():
            from liger_kernel.transformers import _apply_liger_kernel_to_instance

            _apply_liger_kernel_to_instance(model=model.get_base_model())
        num_parameters = sum(p.numel() for p in model.parameters())
        found[name] = _time(model, islice(batches, passes + WARMUP), recipe, device)
        if peak_tflops:
            rate = 4 * num_parameters * found[name]["tokens_per_s"]
            found[name]["peak_share"] = round(rate / (peak_tflops * 1e12), 4)
        del model
        gc.collect()
    ratio = found["packed"]["tokens_per_s"] / found["padded"]["tokens_per_s"]
    return {**found, "ratio": round(ratio, 3), "num_parameters": num_parameters}


def _unpack(row: dict[str, Any]) -> Iterator[dict[str, list[int]]]:
    """Yield the examples of a packed row; padding has no loss and is none."""
    starts = np.flatnonzero(np.array(row["position_ids"]) == 0).tolist()
    for start, end in pairwise([*starts, len(row["position_ids"])]):
        labels = row["labels"][start:end]
        if any(label != IGNORED for label in labels):
            yield {"input_ids": row["input_ids"][start:end], "labels": labels}


def _pack_batches(rows: Any, size: int) -> Iterator[Batch]:
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield {name: torch.tensor(part[name]) for name in ("input_ids", "position_ids", "labels")}


def _pad_batches(examples: Sequence[dict[str, list[int]]], size: int, pad: int) -> Iterator[Batch]:
    for start in range(0, len(examples), size):
        part = examples[start : start + size]
        width = max(len(one["input_ids"]) for one in part)
        batch = {
            "input_ids": torch.full((len(part), width), pad),
            "labels": torch.full((len(part), width), IGNORED),
            "attention_mask": torch.zeros((len(part), width), dtype=torch.long),
        }
        for number, one in enumerate(part):
            length = len(one["input_ids"])
            batch["input_ids"][number, :length] = torch.tensor(one["input_ids"])
            batch["labels"][number, :length] = torch.tensor(one["labels"])
            batch["attention_mask"][number, :length] = 1
        yield batch


def _count_tokens(batch: Batch) -> int:
    if "attention_mask" in batch:
        return int(batch["attention_mask"].sum())
    # Behind the last token that has a loss a packed row is padding.
    ends = [int(row.ne(IGNORED).nonzero().max()) + 1 for row in batch["labels"]]
    return sum(ends)


def _time(
    model: Any, batches: Iterator[Batch], recipe: TrainRecipe, device: torch.device
) -> dict[str, Any]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, recipe.optimiser.learning_rate)
    model.train()
    is_cuda = device.type == "cuda"
    if is_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    num_tokens = num_places = 0
    started_s = time.perf_counter()
    for number, batch in enumerate(batches):
        if number == WARMUP:
            _wait(is_cuda)
            num_tokens, num_places, started_s = 0, 0, time.perf_counter()
        num_tokens += _count_tokens(batch)
        num_places += batch["input_ids"].numel()
        with torch.autocast(device.type, torch.bfloat16, enabled=is_cuda):
            loss = model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    _wait(is_cuda)
    seconds = time.perf_counter() - started_s
    return {
        "tokens_per_s": round(num_tokens / seconds, 1),
        "padding_share": round(1 - num_tokens / num_places, 4),
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 3) if is_cuda else None,
        "loss": round(loss.item(), 4),
    }


def _wait(is_cuda: bool) -> None:
    if is_cuda:
        torch.cuda.synchronize()


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, help="TOML recipe.")],
    data: Annotated[Path, typer.Option(exists=True, help="Directory that `fimserve mine` wrote.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replaces a value of the recipe."),
    ] = None,
    passes: Annotated[int, typer.Option(min=1, help="Timed passes of each side.")] = 20,
    peak_tflops: Annotated[
        float | None, typer.Option(help="What the device reaches on large products, measured.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File that gets the JSON line.")] = None,
) -> None:
    """Compare packed training with padded training on the same examples."""
    try:
        loaded = load_recipe(recipe, changes or ())
        with TemporaryDirectory(prefix="fimserve-throughput-") as work:
            found = measure_throughput(loaded, data, Path(work), passes, peak_tflops)
    except (RecipeError, SpansError) as error:
        raise SystemExit(f"error: {error}") from None
    for name in ("packed", "padded"):
        print(f"{name:8}", *(f"{key} {value}" for key, value in found[name].items()), sep="  ")
    line = json.dumps({
        "bench": "finetune-throughput",
        "passes": passes,
        "warmup": WARMUP,
        "base": Path(loaded.base).name,
        "row_tokens": loaded.row_tokens,
        "rows_per_pass": loaded.rows_per_pass,
        **found,
        "environment": describe_environment(),
    })  # fmt: skip
    if output is not None:
        with output.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    print(line)


if __name__ == "__main__":
    typer.run(main)
