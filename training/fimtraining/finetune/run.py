"""A fine-tuning run, from recipe and mined spans to an adapter that the server loads.

The directory of a run holds the resolved recipe, the rows, checkpoints, metrics.jsonl, TensorBoard
events, and at the end `adapter/` (peft's files, a model card, the curves, what it was made from)
and, if asked for, `merged/`.
"""

import json
import math
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import datasets
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import TrainingArguments, default_data_collator

from fimtraining.finetune.base import Base, load_base, open_base
from fimtraining.finetune.card import write_card
from fimtraining.finetune.curves import draw_curves
from fimtraining.finetune.examples import find_orders
from fimtraining.finetune.recipe import RecipeError, TrainRecipe, dump_recipe
from fimtraining.finetune.rows import RowCounts, hash_rows, prepare_rows
from fimtraining.finetune.spans import MinedSpans, SpansError
from fimtraining.finetune.trainer import METRICS_FILE, RowTrainer, RunLog, find_checkpoint

RECIPE_FILE = "recipe.json"
KEPT_CHECKPOINTS = 2


@contextmanager
def _silent() -> Iterator[Callable[[int], None]]:
    yield lambda num_done: None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run will do, known before any weight is loaded."""

    recipe: TrainRecipe
    base: Base
    train: RowCounts
    validation: RowCounts | None
    data_sha256: str
    """Hash of the ids of the training spans."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    plan: RunPlan
    train_rows: datasets.Dataset
    validation_rows: datasets.Dataset | None


def plan_run(
    recipe: TrainRecipe,
    data: Path,
    out: Path,
    show: Callable[[str, int], Any] = lambda name, total: _silent(),
    rows: Path | None = None,
) -> RunPlan:
    """Prepare the rows of a run and say what they are made of; loads no weights.

    Args:
        recipe: The run.
        data: Output of `fimserve mine`.
        out: Directory of the run.
        show: (what, total) -> a context manager that gives a function of the number done.
        rows: Directory of rows that several runs share; None keeps them in the run's own.

    Returns:
        The plan.
    """
    return _prepare(recipe, data, out, show, rows).plan


def train(
    recipe: TrainRecipe,
    data: Path,
    out: Path,
    resume: bool = False,
    merge: bool = False,
    report_to: tuple[str, ...] = ("tensorboard",),
    show: Callable[[str, int], Any] = lambda name, total: _silent(),
    rows: Path | None = None,
) -> Path:
    """Run a recipe; every process of a distributed run calls this.

    Fails with RecipeError if the directory holds another run, or one that was not asked to go on.

    Args:
        recipe: The run.
        data: Output of `fimserve mine`.
        out: Directory of the run.
        resume: Go on from the newest whole checkpoint, where there is one.
        merge: Also write the base with the adapter added to its weights.
        report_to: Names that transformers reports to: tensorboard, wandb.
        show: (what, total) -> a context manager that gives a function of the number done.
        rows: Directory of rows that several runs share; None keeps them in the run's own.

    Returns:
        The adapter's directory.
    """
    checkpoint = _open_run(recipe, out, resume)
    prepared = _prepare(recipe, data, out, show, rows)
    arguments = _make_arguments(recipe, out, prepared.validation_rows is not None, report_to)
    model = make_model(recipe, prepared.plan.base, arguments.device)
    trainer = RowTrainer(
        model=model,
        args=arguments,
        train_dataset=prepared.train_rows,
        eval_dataset=prepared.validation_rows,
        data_collator=default_data_collator,
        callbacks=[RunLog(out, recipe.rows_per_step * recipe.row_tokens)],
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    adapter = out / "adapter"
    trainer.save_model(str(adapter))
    if trainer.is_world_process_zero():
        _finish(prepared.plan, out, adapter)
        if merge:
            _merge(prepared.plan.base, adapter, out / "merged")
    return adapter


def _open_run(recipe: TrainRecipe, out: Path, resume: bool) -> Path | None:
    out.mkdir(parents=True, exist_ok=True)
    text, file = dump_recipe(recipe), out / RECIPE_FILE
    checkpoint = find_checkpoint(out)
    if checkpoint is not None and not resume:
        raise RecipeError(
            f"{out} holds a run up to {checkpoint.name}; give --resume, or another --out"
        )
    if file.exists() and checkpoint is not None and file.read_text(encoding="utf-8") != text:
        raise RecipeError(f"{out} holds a run of another recipe, see {file}; give another --out")
    if int(os.environ.get("RANK", "0")) == 0:
        file.write_text(text, encoding="utf-8")
    return checkpoint


def _prepare(
    recipe: TrainRecipe,
    data: Path,
    out: Path,
    show: Callable[[str, int], Any],
    rows: Path | None = None,
) -> _Prepared:
    base = open_base(recipe.base, out)
    orders = find_orders(recipe, base.orders)
    spans = MinedSpans(data, "train")
    shelf = rows or out / "rows"

    def make(name: str, found: MinedSpans, num_rows: int) -> tuple[datasets.Dataset, RowCounts]:
        mixture = recipe.mixture
        has_signals = mixture.by_hardness or mixture.by_refusal or mixture.pacing != "none"
        data_sha256 = found.signals_sha256 if has_signals else found.sha256
        key = hash_rows(recipe, data_sha256, base.tokenizer_sha256, orders)
        with show(f"{name} rows", num_rows) as on_progress:
            return prepare_rows(
                shelf / f"{name}-{num_rows}-{key}",
                found,
                recipe,
                orders,
                base.renderer,
                num_rows,
                on_progress,
            )

    shelf.mkdir(parents=True, exist_ok=True)
    train_rows, train_counts = make("train", spans, recipe.steps * recipe.rows_per_step)
    validation_rows, validation_counts = None, None
    if recipe.validation_rows:
        try:
            held_out = MinedSpans(data, "validation")
        except SpansError as error:
            raise RecipeError(f"{error}; set validation_rows = 0 to go without") from error
        validation_rows, validation_counts = make("validation", held_out, recipe.validation_rows)
    plan = RunPlan(recipe, base, train_counts, validation_counts, spans.sha256)
    return _Prepared(plan, train_rows, validation_rows)


def _make_arguments(
    recipe: TrainRecipe, out: Path, has_validation: bool, report_to: tuple[str, ...]
) -> TrainingArguments:
    has_gpu = torch.cuda.is_available()
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    passes, rest = divmod(recipe.rows_per_step, recipe.rows_per_pass * num_processes)
    if rest:
        raise RecipeError(
            f"rows_per_step ({recipe.rows_per_step}) is no multiple of rows_per_pass "
            f"({recipe.rows_per_pass}) times {num_processes} processes"
        )
    schedule = recipe.optimiser
    # Where transformers' TensorBoard writer looks; it has no argument for it.
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(out / "events")
    # Named only where it is wanted: newer releases call it activation_checkpointing and warn.
    checkpointing: dict[str, Any] = (
        {"gradient_checkpointing": True} if recipe.gradient_checkpointing else {}
    )
    return TrainingArguments(
        output_dir=str(out),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.rows_per_pass,
        per_device_eval_batch_size=recipe.rows_per_pass,
        gradient_accumulation_steps=passes,
        learning_rate=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
        max_grad_norm=schedule.max_grad_norm,
        warmup_steps=math.ceil(schedule.warmup_share * recipe.steps),
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": math.ceil(schedule.decay_share * recipe.steps)},
        bf16=has_gpu,
        use_cpu=not has_gpu,
        use_liger_kernel=has_gpu and has_liger(),
        fsdp="full_shard auto_wrap" if recipe.sharding == "fsdp" else "",
        logging_steps=max(1, min(10, recipe.steps // 20)),
        logging_first_step=True,
        save_steps=recipe.save_every,
        save_total_limit=KEPT_CHECKPOINTS,
        eval_strategy="steps" if has_validation else "no",
        eval_steps=recipe.validate_every,
        eval_on_start=has_validation,
        report_to=list(report_to),
        seed=recipe.seed,
        data_seed=recipe.seed,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_num_workers=0,
        ddp_find_unused_parameters=False if num_processes > 1 else None,
        # transformers' own bar and lines go to where people look for them: stderr.
        disable_tqdm=not (os.isatty(2) and int(os.environ.get("RANK", "0")) == 0),
        **checkpointing,
    )


def make_model(recipe: TrainRecipe, base: Base, device: torch.device) -> PeftModel:
    """Return a base with a fresh adapter over it.

    Args:
        recipe: The run.
        base: From open_base.
        device: Where training runs.

    Returns:
        The model; only the adapter is trained.
    """
    transformers.set_seed(recipe.seed)
    model = load_base(base, recipe, device)
    if recipe.quantise == "4bit":
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=recipe.gradient_checkpointing
        )
    elif recipe.gradient_checkpointing:
        model.enable_input_require_grads()
    lora = recipe.lora
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=cast(int, lora.alpha),  # annotated too narrowly: peft only divides by it
        lora_dropout=lora.dropout,
        target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
        use_rslora=lora.rank_stabilised,
        use_dora=lora.dora,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    # Adapter directories name their base: as people name it, not as it lies on this disk.
    adapted.peft_config["default"].base_model_name_or_path = base.name
    assert isinstance(adapted, PeftModel)
    return adapted


def _finish(plan: RunPlan, out: Path, adapter: Path) -> None:
    (adapter / RECIPE_FILE).write_text(dump_recipe(plan.recipe), encoding="utf-8")
    provenance = {
        "data_sha256": plan.data_sha256,
        "base_weights_sha256": plan.base.weights_sha256,
        "tokenizer_sha256": plan.base.tokenizer_sha256,
        "train": asdict(plan.train),
        "validation": asdict(plan.validation) if plan.validation else None,
        "environment": describe_environment(),
    }
    (adapter / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
    lines = (out / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    metrics = [json.loads(line) for line in lines if line]
    draw_curves(metrics, adapter / "curves.png")
    write_card(adapter / "README.md", plan.recipe, plan.train, plan.validation, metrics, provenance)


def _merge(base: Base, adapter: Path, target: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(base.directory, dtype="auto")
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    merged.save_pretrained(str(target), safe_serialization=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "fim.json"):
        if (source := base.directory / name).exists():
            (target / name).write_bytes(source.read_bytes())


def describe_environment() -> dict[str, Any]:
    """Return the machine, the versions and the commit, as far as they can be found."""
    import accelerate
    import peft

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "accelerate": accelerate.__version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "num_processes": int(os.environ.get("WORLD_SIZE", "1")),
        "commit": _find_commit(),
    }


def _find_commit() -> str | None:
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None


def has_liger() -> bool:
    """Return whether Liger's kernels are installed."""
    try:
        import liger_kernel  # noqa: F401
    except ImportError:
        return False
    return True
