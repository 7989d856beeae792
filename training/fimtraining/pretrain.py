"""Pretrain a small fill-in-the-middle model on a packed corpus, on one GPU or several.

    python -m fimtraining.pretrain RECIPE.toml --corpus DIR --tokenizer DIR --out DIR
    torchrun --nproc-per-node 4 -m fimtraining.pretrain RECIPE.toml ... --resume

The run directory holds checkpoint.pt (written, then renamed), metrics.jsonl, TensorBoard events,
the resolved recipe, and at the end `model/`, a Hugging Face directory. `--stop-after`
ends a run early with a checkpoint; `--resume` goes on with the next example it had not seen.

One long file on purpose: who wants to change a run sees all of it, from recipe to checkpoint.
"""

import contextlib
import hashlib
import json
import os
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import torch.distributed as dist
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from fimtraining.examples import ExampleMix
from fimtraining.export import load_weights, save_model
from fimtraining.model import ModelShape, TrainingLlama
from fimtraining.optimiser import Optimisers, OptimiserSettings, Schedule
from fimtraining.packing import Batch, Corpus, PackedRows, collate

Z_LOSS_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """Everything that decides a run, machine and paths aside."""

    name: str
    model: ModelShape = field(default_factory=ModelShape)
    mix: ExampleMix = field(default_factory=ExampleMix)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    schedule: Schedule = field(default_factory=Schedule)
    row_tokens: int = 8192
    """Tokens per packed row, also the longest example."""
    rows_per_step: int = 64
    """Rows per update, over all processes."""
    rows_per_pass: int = 16
    """Rows per forward and backward pass of one process."""
    max_examples_per_pass: int = 640
    """Examples told apart in one pass; fixed, so that compiled code sees one shape."""
    middle_weight: float = 1.0
    """Weight in the loss of a middle and its end token; every other token has 1."""
    starts_from: str = ""
    """Name of the model whose weights the run starts from, given by `--init`; empty: from noise."""
    validation_mix: ExampleMix = field(default_factory=ExampleMix)
    """Examples of the validation loss per language; the same in all runs, to compare them."""
    validation_every_steps: int = 500
    seed: int = 20


class RecipeError(Exception):
    """A recipe has an unknown key or a value that does not fit."""


# ------------------------------------------------------------------------------------ recipe


def load_recipe(path: Path, overrides: list[str]) -> PretrainRecipe:
    """Read a recipe and apply `section.key=value` overrides, values in TOML's notation."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for override in overrides:
        key, _, value = override.partition("=")
        *sections, name = key.split(".")
        target = table
        for section in sections:
            target = target.setdefault(section, {})
        target[name] = tomllib.loads(f"v = {value}")["v"]
    recipe: PretrainRecipe = _build(PretrainRecipe, table, str(path))
    return recipe


def _build(kind: type, table: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    if unknown := set(table) - set(known):
        raise RecipeError(f"{where}: unknown {sorted(unknown)}; known are {sorted(known)}")
    values = {}
    for name, value in table.items():
        default: Any = known[name].default_factory
        if isinstance(default, type) and is_dataclass(default):
            values[name] = _build(default, value, f"{where} [{name}]")
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from error


# --------------------------------------------------------------------------------- processes


@dataclass(frozen=True, slots=True)
class Process:
    """This process's place in the run."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


@contextlib.contextmanager
def join_processes() -> Iterator[Process]:
    """Join the other processes of torchrun, if any, and leave them at the end."""
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    use_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if use_gpu else torch.device("cpu")
    if use_gpu:
        torch.cuda.set_device(device)
    if count > 1:
        dist.init_process_group("nccl" if use_gpu else "gloo")
    try:
        yield Process(rank, count, device)
    finally:
        if count > 1:
            dist.destroy_process_group()


# -------------------------------------------------------------------------------------- data


def make_batches(
    recipe: PretrainRecipe,
    corpus: Corpus,
    tokenizer: Path,
    process: Process,
    num_workers: int,
    positions: dict[int, int],
    num_taken: int,
) -> Iterator[Batch]:
    """Return the endless batches of this process, from where `positions` says."""
    rows = PackedRows(
        corpus,
        tokenizer,
        recipe.mix,
        recipe.row_tokens,
        recipe.seed,
        process.rank,
        process.count,
        positions,
        rotation=num_taken,
    )
    loader = DataLoader(
        rows,
        batch_size=recipe.rows_per_pass,
        num_workers=num_workers,
        collate_fn=partial(
            collate,
            max_examples=recipe.max_examples_per_pass,
            middle_weight=recipe.middle_weight,
        ),
        pin_memory=process.device.type == "cuda",
        prefetch_factor=4 if num_workers else None,
    )
    return iter(loader)


def make_validation(
    recipe: PretrainRecipe, directory: Path, tokenizer: Path, languages: list[str]
) -> dict[str, Batch]:
    """Return fixed batches of the held-out repositories.

    One per language of the validation mix, every token alike. Where the recipe weighs middles, also
    one `middle-ORDER` per order of its own mix over all languages, in which only middles and their
    end tokens count: how well holes are filled.
    """
    batches: dict[str, Batch] = {}
    for language in languages:
        corpus = Corpus(directory, "validation", language)
        if len(corpus):
            batches[language] = _take_batch(recipe, corpus, tokenizer, recipe.validation_mix, 1.0)
    if recipe.middle_weight != 1.0:
        corpus = Corpus(directory, "validation")
        for order in recipe.mix.orders:
            mix = replace(recipe.mix, fim_rate=1.0, orders={order: 1.0})
            batches[f"middle-{order}"] = _take_batch(recipe, corpus, tokenizer, mix, 0.0)
    return batches


def _take_batch(
    recipe: PretrainRecipe,
    corpus: Corpus,
    tokenizer: Path,
    mix: ExampleMix,
    context_weight: float,
) -> Batch:
    rows = iter(PackedRows(corpus, tokenizer, mix, recipe.row_tokens, recipe.seed))
    chosen = [next(rows) for _ in range(recipe.rows_per_pass)]
    return collate(chosen, recipe.max_examples_per_pass, context_weight=context_weight)


# -------------------------------------------------------------------------------------- steps


def run_forward(
    model: nn.Module, batch: Batch, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weighted loss and z-loss of a batch, in nats per token."""
    on_device = [t.to(device, non_blocking=True) for t in batch[:5]]
    with torch.autocast(device.type, torch.bfloat16):
        loss, z = model(*on_device)
    return loss, z


def run_step(
    model: nn.Module,
    batches: Iterator[Batch],
    num_passes: int,
    optimisers: Optimisers,
    factor: float,
    process: Process,
    positions: dict[int, int],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Update the weights once and return loss and gradient norm, still on the device."""
    total = torch.zeros((), device=process.device)
    for number in range(num_passes):
        batch = next(batches)
        is_last = number == num_passes - 1
        waits = isinstance(model, DistributedDataParallel) and not is_last
        with model.no_sync() if waits else contextlib.nullcontext():  # type: ignore[operator]
            loss, z = run_forward(model, batch, process.device)
            torch.autograd.backward((loss + Z_LOSS_WEIGHT * z) / num_passes)
        total += loss.detach() / num_passes
        positions.update(batch.stream_positions)
    norm = nn.utils.clip_grad_norm_(model.parameters(), optimisers.settings.max_grad_norm)
    optimisers.step(factor)
    return total, norm


@torch.no_grad()
def validate(model: nn.Module, batches: dict[str, Batch], process: Process) -> dict[str, float]:
    """Return the validation loss of each batch, in nats per token."""
    return {
        name: float(run_forward(model, batch, process.device)[0]) for name, batch in batches.items()
    }


# -------------------------------------------------------------------------------- checkpoints


def save_checkpoint(
    path: Path,
    model: TrainingLlama,
    optimisers: Optimisers,
    step: int,
    positions: dict[int, int],
    process: Process,
) -> None:
    """Write what a resumed run needs; a reader sees the old file or the new one, never a half."""
    everyone = [positions]
    if process.count > 1:
        everyone = [{} for _ in range(process.count)]
        dist.all_gather_object(everyone, positions)
    if process.is_first:
        merged = {stream: at for part in everyone for stream, at in part.items()}
        partial_path = path.with_suffix(".partial")
        torch.save(
            {
                "model": model.state_dict(),
                "optimisers": optimisers.state(),
                "step": step,
                "positions": merged,
            },
            partial_path,
        )
        os.replace(partial_path, path)


def log_metrics(path: Path, writer: SummaryWriter, step: int, values: dict[str, float]) -> None:
    """Append one JSON line and the same TensorBoard scalars."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, **values}) + "\n")
    for name, value in values.items():
        writer.add_scalar(name, value, step)


def report_validation(
    losses: dict[str, float], run_dir: Path, writer: SummaryWriter | None, step: int
) -> None:
    """Write and print validation losses, in the first process."""
    if writer:
        values = {f"validation/{name}": value for name, value in losses.items()}
        log_metrics(run_dir / "metrics.jsonl", writer, step, values)
        rounded = {name: round(value, 4) for name, value in losses.items()}
        print(f"step {step} validation {rounded}", flush=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --------------------------------------------------------------------------------------- main


def train(
    recipe: PretrainRecipe,
    corpus_dir: Path,
    tokenizer_dir: Path,
    run_dir: Path,
    *,
    num_workers: int,
    resume: bool,
    stop_after_s: float,
    process: Process,
    init_dir: Path | None = None,
) -> None:
    """Train until the schedule's end or until the time is over.

    Args:
        recipe: What to train, on what mix, for how long.
        corpus_dir: Output of `fimtraining.corpus build`.
        tokenizer_dir: Directory of `tokenizer.json`.
        run_dir: Where checkpoint, metrics and model go.
        num_workers: Processes that prepare rows, per training process.
        resume: Go on from the run's checkpoint, if there is one.
        stop_after_s: Seconds after which to write a checkpoint and return.
        process: This process's place among the others.
        init_dir: Hugging Face directory, plain or int8, whose weights the run starts from.

    Raises:
        RecipeError: If a step's rows do not divide among passes and processes, or one of recipe
            and `init_dir` says that the run starts from a model and the other does not.
    """
    if bool(recipe.starts_from) != bool(init_dir):
        raise RecipeError(
            f"starts_from is {recipe.starts_from!r} and --init {init_dir}; give both or neither"
        )
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    model = TrainingLlama(recipe.model)
    origin = {}
    if init_dir:
        load_weights(init_dir, model)
        origin = {"init_sha256": _sha256(init_dir / "model.safetensors")}
    model = model.to(process.device)
    optimisers = Optimisers(model, recipe.optimiser)
    checkpoint = run_dir / "checkpoint.pt"
    step, positions = 0, dict[int, int]()
    if resume and checkpoint.exists():
        saved = torch.load(checkpoint, map_location=process.device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimisers.load_state(saved["optimisers"])
        step, positions = saved["step"], saved["positions"]
    num_passes = recipe.rows_per_step // (recipe.rows_per_pass * process.count)
    if num_passes * recipe.rows_per_pass * process.count != recipe.rows_per_step:
        raise RecipeError(
            f"rows_per_step {recipe.rows_per_step} is no multiple of rows_per_pass"
            f" {recipe.rows_per_pass} times {process.count} processes"
        )

    tokenizer = tokenizer_dir / "tokenizer.json"
    corpus = Corpus(corpus_dir, "train")
    validation = make_validation(recipe, corpus_dir, tokenizer, corpus.languages())
    batches = make_batches(
        recipe, corpus, tokenizer, process, num_workers, positions, step * num_passes
    )
    compiled: nn.Module = model
    if process.device.type == "cuda":
        compiled = cast(nn.Module, torch.compile(model, dynamic=False))
    if process.count > 1:
        compiled = DistributedDataParallel(compiled, gradient_as_bucket_view=True)

    writer = SummaryWriter(run_dir / "tensorboard") if process.is_first else None
    tokens_per_step = recipe.rows_per_step * recipe.row_tokens
    num_parameters = sum(p.numel() for p in model.parameters())
    if process.is_first:
        print(
            f"{recipe.name}: {num_parameters / 1e6:.1f}M parameters, {len(corpus)} documents,"
            f" {recipe.schedule.num_steps} steps of {tokens_per_step} tokens,"
            f" {process.count} process(es) on {process.device.type}, from step {step}",
            flush=True,
        )
    columns = (
        "{task.description}",
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, disable=not process.is_first, refresh_per_second=0.2) as progress:
        bar = progress.add_task("train", total=recipe.schedule.num_steps, completed=step, note="")
        if init_dir and not step:
            report_validation(validate(compiled, validation, process), run_dir, writer, step)
        since, since_step = time.monotonic(), step
        while step < recipe.schedule.num_steps:
            factor = recipe.schedule.factor(step)
            loss, norm = run_step(
                compiled, batches, num_passes, optimisers, factor, process, positions
            )
            step += 1
            progress.advance(bar)
            is_end = step == recipe.schedule.num_steps
            if step % 20 == 0 or is_end:
                values = {"loss": float(loss), "grad_norm": float(norm), "lr_factor": factor}
                now = time.monotonic()
                rate = (step - since_step) * tokens_per_step / (now - since)
                since, since_step = now, step
                if writer:
                    values |= {"tokens_per_s": rate, "tokens": step * tokens_per_step}
                    log_metrics(run_dir / "metrics.jsonl", writer, step, values)
                progress.update(bar, note=f"loss {values['loss']:.3f}, {rate / 1e6:.2f} M tokens/s")
                if process.is_first and step % 200 == 0:
                    print(
                        f"step {step} loss {values['loss']:.4f} {rate / 1e6:.3f} M tokens/s",
                        flush=True,
                    )
            over = (
                _agree(time.monotonic() - started > stop_after_s, process)
                if step % 20 == 0
                else False
            )
            if step % recipe.validation_every_steps == 0 or is_end or over:
                report_validation(validate(compiled, validation, process), run_dir, writer, step)
                since, since_step = time.monotonic(), step
            if over or is_end or step % (4 * recipe.validation_every_steps) == 0:
                save_checkpoint(checkpoint, model, optimisers, step, positions, process)
                since, since_step = time.monotonic(), step
            if over:
                break
    if writer:
        writer.close()
    if process.is_first:
        save_model(model, tokenizer_dir, run_dir / "model")
        (run_dir / "recipe.json").write_text(
            json.dumps(asdict(recipe) | origin, indent=1, default=dict) + "\n"
        )
        print(
            f"step {step} of {recipe.schedule.num_steps}, {time.monotonic() - started:.0f} s",
            flush=True,
        )


def _agree(wish: bool, process: Process) -> bool:
    """Return the first process's wish in every process, so that all stop at the same step."""
    if process.count == 1:
        return wish
    flag = torch.tensor([wish], dtype=torch.int32, device=process.device)
    dist.broadcast(flag, 0)
    return bool(flag.item())


def main(
    recipe: Annotated[Path, typer.Argument(exists=True, help="Recipe, TOML.")],
    corpus: Annotated[Path, typer.Option(exists=True, help="Output of fimtraining.corpus.")],
    tokenizer: Annotated[Path, typer.Option(exists=True, help="Directory of tokenizer.json.")],
    out: Annotated[Path, typer.Option(help="Directory of the run.")],
    workers: Annotated[int, typer.Option(help="Data processes per training process.")] = 8,
    resume: Annotated[bool, typer.Option(help="Go on from the run's checkpoint.")] = False,
    stop_after: Annotated[float, typer.Option(help="Seconds, then checkpoint and stop.")] = 1e9,
    init: Annotated[
        Path | None, typer.Option(exists=True, help="Hugging Face directory to start from.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="section.key=value")] = None,
) -> None:
    """Pretrain the model of a recipe."""
    settings = load_recipe(recipe, set_ or [])
    out.mkdir(parents=True, exist_ok=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with join_processes() as process:
        train(
            settings,
            corpus,
            tokenizer,
            out,
            num_workers=workers,
            resume=resume,
            stop_after_s=stop_after,
            process=process,
            init_dir=init,
        )


if __name__ == "__main__":
    typer.run(main)
