"""Pretrain a small fill-in-the-middle model on a packed corpus, on one GPU or several.

    python -m fimtraining.pretrain RECIPE.toml --corpus DIR --tokenizer DIR --out DIR
    torchrun --nproc-per-node 4 -m fimtraining.pretrain RECIPE.toml ... --resume
    ... --minutes 20 --stop-after 540   # as many steps as fit, decay included; this stretch 9 min

The run directory holds checkpoint.pt (written, then renamed), metrics.jsonl, TensorBoard events,
the resolved recipe, and at the end `model/`, a Hugging Face directory. `--stop-after`
ends a run early with a checkpoint; `--resume` goes on with the next example it had not seen.

One long file on purpose: who wants to change a run sees all of it, from recipe to checkpoint.
"""

import contextlib
import hashlib
import json
import math
import os
import time
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
import torch.distributed as dist
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from fimtraining.deadline import Deadline
from fimtraining.examples import ExampleMix
from fimtraining.export import load_weights, read_shape, save_model
from fimtraining.model import ModelShape, TrainingLlama
from fimtraining.objective import Objective, ObjectiveSettings
from fimtraining.optimiser import Optimisers, OptimiserSettings, Schedule
from fimtraining.packing import Batch, Corpus, PackedRows, collate

Z_LOSS_WEIGHT = 1e-4
VALIDATION_MIDDLES = ExampleMix(
    fim_rate=1.0,
    repository_rate=0.0,
    windows={"800": 0.3, "1600": 0.32, "3200": 0.22, "6400": 0.16},
    spans={"line": 0.42, "tail": 0.25, "block": 0.15, "short": 0.1, "uniform": 0.08},
    tree_rate=0.0,
)
"""Holes of the validation loss of middles, the same for every recipe: a run's own mix, with its own
share of holes along the syntax, would give it easier or harder ones than the run beside it."""
VALIDATION_ORDERS = ("psm", "spm", "middle-increment")
MIDDLE_ROWS = 12
"""Rows of each order's batch: a run with smaller passes shall be asked for no fewer holes."""
MIDDLE_EXAMPLES = 32 * MIDDLE_ROWS
"""Examples told apart in such a batch, as many for a row as the ladder's recipes have."""
MIDDLE_SEED = 30
"""Of files and holes; a run's own would give it other holes."""
REWARM_STEPS = 50
"""Steps over which the rate rises again where a run goes on without its optimisers' state."""


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
    late_share: float = 0.0
    """Share of the steps at the end that take `late_mix` and its weight instead; 0: none do."""
    late_mix: ExampleMix = field(default_factory=ExampleMix)
    """Examples of the end of the run."""
    late_middle_weight: float = 1.0
    """As `middle_weight`, at the end of the run."""
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    starts_from: str = ""
    """Name of the model whose weights the run starts from, given by `--init`; empty: from noise."""
    validation_mix: ExampleMix = field(default_factory=ExampleMix)
    """Examples of the validation loss per language; the same in all runs, to compare them."""
    validation_every_steps: int = 500
    seed: int = 20

    def phase(self, is_late: bool) -> tuple[ExampleMix, float, int]:
        """Return mix, weight of middles and seed of a part of the run."""
        if is_late:
            return self.late_mix, self.late_middle_weight, self.seed + 1
        return self.mix, self.middle_weight, self.seed


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
    is_late: bool = False,
) -> Iterator[Batch]:
    """Return the endless batches of this process and phase, from where `positions` says."""
    mix, middle_weight, seed = recipe.phase(is_late)
    rows = PackedRows(
        corpus,
        tokenizer,
        mix,
        recipe.row_tokens,
        seed,
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
            middle_weight=middle_weight,
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
    one `middle-ORDER` per order over all languages, in which only middles and their end tokens
    count: how well holes are filled. Those holes are the same for all recipes of one row length.

    Args:
        recipe: The run.
        directory: Output of `fimtraining.corpus build`.
        tokenizer: `tokenizer.json` of the model.
        languages: Languages to look for.

    Returns:
        Name -> batch.
    """
    batches: dict[str, Batch] = {}
    for language in languages:
        corpus = Corpus(directory, "validation", language)
        if len(corpus):
            rows = PackedRows(
                corpus, tokenizer, recipe.validation_mix, recipe.row_tokens, recipe.seed
            )
            batches[language] = _take_batch(
                rows, recipe.rows_per_pass, recipe.max_examples_per_pass, 1.0
            )
    _, weight, _ = recipe.phase(bool(recipe.late_share))
    if weight != 1.0:
        corpus = Corpus(directory, "validation")
        for order in VALIDATION_ORDERS:
            mix = replace(VALIDATION_MIDDLES, orders={order: 1.0})
            rows = PackedRows(corpus, tokenizer, mix, recipe.row_tokens, MIDDLE_SEED)
            batches[f"middle-{order}"] = _take_batch(rows, MIDDLE_ROWS, MIDDLE_EXAMPLES, 0.0)
    return batches


def _take_batch(rows: PackedRows, num_rows: int, max_examples: int, context_weight: float) -> Batch:
    endless = iter(rows)
    chosen = [next(endless) for _ in range(num_rows)]
    return collate(chosen, max_examples, context_weight=context_weight)


# -------------------------------------------------------------------------------------- steps


def run_forward(
    model: nn.Module, batch: Batch, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weighted loss and z-loss of a batch, in nats per token."""
    # Only an objective with more than the next token asks for the horizons.
    num_inputs = 6 if isinstance(unwrap(model), Objective) else 5
    on_device = [t.to(device, non_blocking=True) for t in batch[:6][:num_inputs]]
    with torch.autocast(device.type, torch.bfloat16):
        loss, z = model(*on_device)
    return loss, z


def inner_model(model: nn.Module) -> TrainingLlama:
    """Return the model inside an objective, or the model itself."""
    return cast(TrainingLlama, model.model if isinstance(model, Objective) else model)


def make_objective(
    model: TrainingLlama, recipe: PretrainRecipe, teacher_dir: Path | None
) -> nn.Module:
    """Return the model, inside an objective where the recipe asks for more than the next token."""
    settings = recipe.objective
    if bool(settings.teacher_share) != bool(teacher_dir):
        raise RecipeError(
            f"teacher_share is {settings.teacher_share} and --teacher {teacher_dir};"
            " give both or neither"
        )
    if not settings.horizon_weight and not teacher_dir:
        return model
    teacher = None
    if teacher_dir:
        teacher = TrainingLlama(read_shape(teacher_dir))
        if teacher.shape.vocab_size != recipe.model.vocab_size:
            raise RecipeError(
                f"the teacher has {teacher.shape.vocab_size} tokens, the recipe"
                f" {recipe.model.vocab_size}; they must share a tokenizer"
            )
        load_weights(teacher_dir, teacher)
    return Objective(model, settings, teacher)


def unwrap(model: nn.Module) -> nn.Module:
    """Return a model without what torch.compile and DDP put around it."""
    if isinstance(model, DistributedDataParallel):
        model = model.module
    return cast(nn.Module, getattr(model, "_orig_mod", model))


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


@dataclass(slots=True)
class RunState:
    """Where a run stands, weights and optimisers aside."""

    step: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    """Stream -> documents used up, in the phase that the run is in."""
    num_streams: int = 1
    """Streams that `positions` were counted over."""
    late_since: int | None = None
    """Step at which the late phase began."""
    spent_s: float = 0.0
    """Seconds of training so far."""
    end: int = 0
    """Step at which the run ends, as last planned; 0: not planned yet."""

    @property
    def is_late(self) -> bool:
        """Whether the late phase has begun."""
        return self.late_since is not None

    def begin_late(self) -> None:
        """Begin the late phase: a mix of its own, so a stream of its own."""
        self.late_since, self.positions = self.step, {}


def fit_positions(positions: dict[int, int], num_saved: int, num_streams: int) -> dict[int, int]:
    """Return positions for another number of streams: on as many documents, none twice.

    With the number they were counted over they stay as they are, to the last example.
    """
    if num_saved == num_streams or not positions:
        return dict(positions)
    # The furthest stream decides: a few documents are passed over rather than seen again.
    used = max(positions.values()) * num_saved
    return dict.fromkeys(range(num_streams), -(-used // num_streams))


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimisers: Optimisers,
    state: RunState,
    process: Process,
) -> None:
    """Write what a resumed run needs; a reader sees the old file or the new one, never a half."""
    everyone = [state.positions]
    if process.count > 1:
        everyone = [{} for _ in range(process.count)]
        dist.all_gather_object(everyone, state.positions)
    if process.is_first:
        merged = {stream: at for part in everyone for stream, at in part.items()}
        partial_path = path.with_suffix(".partial")
        head = model.horizon_head if isinstance(model, Objective) else None
        torch.save(
            {
                "model": inner_model(model).state_dict(),
                "horizon_head": head.state_dict() if head else None,
                "optimisers": optimisers.state(),
                **asdict(state),
                "positions": merged,
            },
            partial_path,
        )
        os.replace(partial_path, path)


def load_checkpoint(
    path: Path, model: nn.Module, optimisers: Optimisers, num_streams: int, device: torch.device
) -> tuple[RunState, bool]:
    """Fill model and optimisers from a checkpoint.

    Args:
        path: File as `save_checkpoint` or `fimtraining.portable` writes it.
        model: Model or objective to fill.
        optimisers: Optimisers to fill, where the file holds their state.
        num_streams: Streams of this process group.
        device: Where the weights go.

    Returns:
        Where the run stands, and whether the optimisers begin anew.
    """
    saved = torch.load(path, map_location=device, weights_only=True)
    inner_model(model).load_state_dict(saved["model"])
    if isinstance(model, Objective) and model.horizon_head and saved.get("horizon_head"):
        model.horizon_head.load_state_dict(saved["horizon_head"])
    has_optimisers = saved.get("optimisers") is not None
    if has_optimisers:
        optimisers.load_state(saved["optimisers"])
    state = RunState(**{f.name: saved[f.name] for f in fields(RunState) if f.name in saved})
    # A checkpoint of before this was kept belongs to the streams that resume it.
    before = state.num_streams if "num_streams" in saved else num_streams
    state.positions = fit_positions(state.positions, before, num_streams)
    state.num_streams = num_streams
    return state, not has_optimisers


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
    minutes: float = math.inf,
    teacher_dir: Path | None = None,
    attention: Literal["varlen", "flex"] = "varlen",
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
        minutes: Training time of the whole run, all stretches together; the schedule ends in it,
            decay included, with as many of the recipe's steps as fit.
        teacher_dir: Hugging Face directory of the model to learn from.
        attention: Kernel of the attention, see `TrainingLlama`; the loss is the same.

    Raises:
        RecipeError: If a step's rows do not divide among passes and processes, or one of recipe
            and command says that the run starts or learns from a model and the other does not.
    """
    if bool(recipe.starts_from) != bool(init_dir):
        raise RecipeError(
            f"starts_from is {recipe.starts_from!r} and --init {init_dir}; give both or neither"
        )
    started = time.monotonic()
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    model = TrainingLlama(recipe.model, attention)
    origin = {}
    if init_dir:
        load_weights(init_dir, model)
        origin = {"init_sha256": _sha256(init_dir / "model.safetensors")}
    trained = make_objective(model, recipe, teacher_dir).to(process.device)
    optimisers = Optimisers(trained, recipe.optimiser)
    checkpoint = run_dir / "checkpoint.pt"
    num_streams = process.count * max(1, num_workers)
    state, warm_from = RunState(num_streams=num_streams), 0
    if resume and checkpoint.exists():
        state, is_cold = load_checkpoint(
            checkpoint, trained, optimisers, num_streams, process.device
        )
        warm_from = state.step if is_cold else 0
    deadline = Deadline(60 * minutes, recipe.schedule.num_steps, state.spent_s, state.end)
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
        recipe, corpus, tokenizer, process, num_workers, state.positions,
        (state.step - (state.late_since or 0)) * num_passes, state.is_late,
    )  # fmt: skip
    compiled: nn.Module = trained
    if process.device.type == "cuda":
        # One graph: a mask of blocks cannot be cut up, and these gradients are sent in a moment.
        torch._dynamo.config.optimize_ddp = False
        compiled = cast(nn.Module, torch.compile(trained, dynamic=False))
    if process.count > 1:
        compiled = DistributedDataParallel(compiled, gradient_as_bucket_view=True)

    writer = SummaryWriter(run_dir / "tensorboard") if process.is_first else None
    tokens_per_step = recipe.rows_per_step * recipe.row_tokens
    num_parameters = sum(p.numel() for p in model.parameters())
    if process.is_first:
        print(
            f"{recipe.name}: {num_parameters / 1e6:.1f}M parameters, {len(corpus)} documents,"
            f" {recipe.schedule.num_steps} steps of {tokens_per_step} tokens,"
            f" {process.count} process(es) on {process.device.type}, from step {state.step}",
            flush=True,
        )
    columns = (
        "{task.description}",
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, disable=not process.is_first, refresh_per_second=0.2) as progress:
        bar = progress.add_task("train", total=deadline.end, completed=state.step, note="")
        if init_dir and not state.step:
            report_validation(validate(compiled, validation, process), run_dir, writer, 0)
        since, since_step, first_step = time.monotonic(), state.step, state.step
        while state.step < deadline.end:
            if not state.is_late and state.step >= (1 - recipe.late_share) * deadline.end:
                state.begin_late()
                del batches  # its workers end
                batches = make_batches(
                    recipe, corpus, tokenizer, process, num_workers, {}, 0, is_late=True
                )
            factor = recipe.schedule.factor(state.step, deadline.end)
            if warm_from:
                factor *= min(1.0, (state.step - warm_from + 1) / REWARM_STEPS)
            loss, norm = run_step(
                compiled, batches, num_passes, optimisers, factor, process, state.positions
            )
            state.step = step = state.step + 1
            progress.update(bar, completed=step, total=deadline.end)
            if step == first_step + 1 and process.device.type == "cuda":
                torch.cuda.synchronize()
                since, since_step = time.monotonic(), step  # the first step compiles
            if step % 20 == 0 or step >= deadline.end:
                values = {"loss": float(loss), "grad_norm": float(norm), "lr_factor": factor}
                now = time.monotonic()
                if step > since_step:
                    planned = deadline.plan(step, step - since_step, now - since)
                    deadline.end = _agree(planned, process)
                    values["tokens_per_s"] = (step - since_step) * tokens_per_step / (now - since)
                since, since_step = now, step
                values |= {"tokens": step * tokens_per_step, "end": deadline.end}
                if writer:
                    log_metrics(run_dir / "metrics.jsonl", writer, step, values)
                note = f"loss {values['loss']:.4f}"
                note += f" {values.get('tokens_per_s', 0) / 1e6:.3f} M tokens/s"
                progress.update(bar, note=note)
                if process.is_first and step % 200 == 0:
                    print(f"step {step} {note}, to end at step {deadline.end}", flush=True)
            is_end = step >= deadline.end
            over = step % 20 == 0 and bool(
                _agree(int(time.monotonic() - started > stop_after_s), process)
            )
            validates = step % recipe.validation_every_steps == 0 or is_end or over
            saves = step % (4 * recipe.validation_every_steps) == 0 or is_end or over
            if validates or saves:
                float(loss)  # the steps before are over once this is known: the clock stops here
            paused = time.monotonic()
            if validates:
                report_validation(validate(compiled, validation, process), run_dir, writer, step)
            if saves:
                state.spent_s, state.end = deadline.spent_s, deadline.end
                save_checkpoint(checkpoint, trained, optimisers, state, process)
            since += time.monotonic() - paused
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
            f"step {state.step} of {deadline.end}, {time.monotonic() - started:.0f} s",
            flush=True,
        )


def _agree(wish: int, process: Process) -> int:
    """Return the first process's number in every process, so that all stop at the same step."""
    if process.count == 1:
        return wish
    number = torch.tensor([wish], dtype=torch.int64, device=process.device)
    dist.broadcast(number, 0)
    return int(number.item())


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
    minutes: Annotated[
        float, typer.Option(help="Minutes of training of the whole run, decay included.")
    ] = math.inf,
    teacher: Annotated[
        Path | None, typer.Option(exists=True, help="Hugging Face directory to learn from.")
    ] = None,
    attention: Annotated[
        Literal["varlen", "flex"],
        typer.Option(help="Kernel on a GPU; flex pays where documents are many and short."),
    ] = "varlen",
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
            minutes=minutes,
            teacher_dir=teacher,
            attention=attention,
        )


if __name__ == "__main__":
    typer.run(main)
