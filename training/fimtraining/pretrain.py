"""Pretrain a small fill-in-the-middle model on a packed corpus, on one GPU or several.

    python -m fimtraining.pretrain RECIPE.toml --corpus DIR --tokenizer DIR --out DIR
    torchrun --nproc-per-node 4 -m fimtraining.pretrain RECIPE.toml ... --resume
    ... --minutes 20 --stop-after 540   # as many steps as fit, decay included; this stretch 9 min

The run directory holds checkpoint.pt (written, then renamed), metrics.jsonl, TensorBoard events,
the resolved recipe, and at the end `model/`, a Hugging Face directory. `--stop-after`
ends a run early with a checkpoint; `--resume` goes on with the next example it had not seen.

Here are the loop and what it is set up with; `recipe.py`, `step.py`, `validation.py`,
`checkpoint.py`, `metrics.py` and `process.py` each hold what their name says.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, cast

import torch
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from fimtraining.checkpoint import RunState, load_checkpoint, save_checkpoint
from fimtraining.deadline import Deadline
from fimtraining.export import load_weights, read_shape, save_model
from fimtraining.metrics import log_metrics, report_validation
from fimtraining.model import TrainingLlama
from fimtraining.objective import Objective
from fimtraining.optimiser import Optimisers
from fimtraining.packing import Batch, Corpus, PackedRows, collate
from fimtraining.process import Process, agree, join_processes
from fimtraining.recipe import PretrainRecipe, RecipeError, load_recipe
from fimtraining.step import run_step
from fimtraining.validation import make_validation, validate

REWARM_STEPS = 50
"""Steps over which the rate rises again where a run goes on without its optimisers' state."""


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
    num_passes = count_passes(recipe, process)

    tokenizer = tokenizer_dir / "tokenizer.json"
    corpus = Corpus(corpus_dir, "train")
    validation = make_validation(recipe, corpus_dir, tokenizer, corpus.languages())
    batches = make_batches(
        recipe, corpus, tokenizer, process, num_workers, state.positions,
        (state.step - (state.late_since or 0)) * num_passes, state.is_late,
    )  # fmt: skip
    compiled = compile_model(trained, process)

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
                    deadline.end = agree(planned, process)
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
                agree(int(time.monotonic() - started > stop_after_s), process)
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


def count_passes(recipe: PretrainRecipe, process: Process) -> int:
    """Return the passes of one step in each process; raise RecipeError if rows are left over."""
    num_passes = recipe.rows_per_step // (recipe.rows_per_pass * process.count)
    if num_passes * recipe.rows_per_pass * process.count != recipe.rows_per_step:
        raise RecipeError(
            f"rows_per_step {recipe.rows_per_step} is no multiple of rows_per_pass"
            f" {recipe.rows_per_pass} times {process.count} processes"
        )
    return num_passes


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


def compile_model(model: nn.Module, process: Process) -> nn.Module:
    """Return a model that runs fast where it can and averages gradients over the processes."""
    compiled = model
    if process.device.type == "cuda":
        # One graph: a mask of blocks cannot be cut up, and these gradients are sent in a moment.
        torch._dynamo.config.optimize_ddp = False
        compiled = cast(nn.Module, torch.compile(model, dynamic=False))
    if process.count > 1:
        compiled = DistributedDataParallel(compiled, gradient_as_bucket_view=True)
    return compiled


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
