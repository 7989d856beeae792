"""Train every regime on every base with equal tokens, and let each fill the same held-out holes.

    python -m fimtraining.finetune.ablation training/recipes/ablation.toml \\
        --data MINED --dev DEV.jsonl.gz --model 15m=DIR --model 46m=DIR --model 130m=DIR \\
        --out RESULTS --work WORK --minutes 9

One command for a machine that is lent for minutes: it renders the rows of all runs in parallel,
then does unit after unit (base, regime, seed), each kept in RESULTS as soon as it is done, and
begins none that the minutes do not hold. The same command goes on, also on another machine to which
RESULTS was carried; WORK (rows, checkpoints) may be lost. Nothing is scored here: that is for
`python -m fimeval.ablation RESULTS --data DEV.jsonl.gz`, on any machine.

Needs of this project's dependencies torch, transformers, peft, accelerate, datasets, pyarrow,
pydantic, matplotlib, safetensors, tokenizers, huggingface-hub, numpy, typer, rich; no web framework
and no parser.
"""

import gc
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from fimtraining.finetune.ablation_plan import AblationPlan, Unit, list_units, load_plan
from fimtraining.finetune.base import Base, open_base
from fimtraining.finetune.examples import find_orders
from fimtraining.finetune.held_out import Holes, fill_holes, load_holes
from fimtraining.finetune.recipe import RecipeError, TrainRecipe
from fimtraining.finetune.rows import hash_rows
from fimtraining.finetune.run import describe_environment, plan_run, train
from fimtraining.finetune.spans import SpansError
from fimtraining.finetune.trainer import METRICS_FILE
from fimtraining.finetune.unit_results import UnitResults

MARGIN = 1.15
"""A unit is begun only where the slowest one of its base so far, times this, still fits."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AblationRun:
    """Where things are and how long there is."""

    data: Path
    dev: Path
    models: dict[str, str]
    out: Path
    work: Path
    minutes: float | None = None
    workers: int = 1


def run_ablation(plan_path: Path, run: AblationRun, say: Say = print) -> int:
    """Do the units that are not done yet, as many as there is time for.

    Args:
        plan_path: The plan.
        run: Models, data, directories, time.
        say: Told how it goes.

    Returns:
        How many units are left.
    """
    started_s = time.monotonic()
    plan, holes = load_plan(plan_path), load_holes(run.dev)
    bases = {name: _open_plain(model, run.work / name) for name, model in run.models.items()}
    directories = {name: str(base.directory) for name, base in bases.items()}
    units = list_units(plan, plan_path, directories)
    identity = {"plan": plan.name, "dev_sha256": holes.sha256} | plan.held_out.model_dump(
        mode="json"
    )
    results = UnitResults(run.out, identity)
    left = [unit for unit in units if not results.has(unit.base, unit.name)]
    say(f"{len(units) - len(left)} of {len(units)} units are done")
    _prepare_rows(left, bases, run, say)
    while left:
        unit = left[0]
        spent_s = time.monotonic() - started_s
        longest_s = MARGIN * max(results.seconds_of(unit.base), default=0.0)
        if run.minutes is not None and spent_s + longest_s > 60 * run.minutes:
            say(f"no time for {unit.name}; {len(left)} units are left, give the same command again")
            return len(left)
        line = _do_unit(unit, bases[unit.base], plan, holes, run)
        results.add(line)
        left.pop(0)
        say(f"{unit.name}: {line['seconds']:.0f} s, {len(left)} units are left")
    return 0


def _open_plain(model: str, work: Path) -> Base:
    """Return a base that transformers reads; written out plainly once where it does not."""
    work.mkdir(parents=True, exist_ok=True)
    return open_base(model, work)


def _prepare_rows(
    units: Sequence[Unit], bases: Mapping[str, Base], run: AblationRun, say: Say
) -> None:
    """Render the rows of all runs, once for all bases that share tokenizer and orders."""
    wanted = {
        _find_rows_key(unit.recipe, bases[unit.base]): unit.recipe
        for unit in units
        if unit.recipe is not None
    }
    started_s = time.monotonic()
    jobs = [(recipe, run.data, run.work) for recipe in wanted.values()]
    if run.workers == 1 or len(jobs) < 2:
        for job in jobs:
            _render_rows(*job)
    else:
        context = get_context("spawn")
        with ProcessPoolExecutor(min(run.workers, len(jobs)), mp_context=context) as pool:
            list(pool.map(_render_rows, *zip(*jobs, strict=True)))
    say(f"rows of {len(jobs)} mixtures rendered in {time.monotonic() - started_s:.0f} s")


def _find_rows_key(recipe: TrainRecipe, base: Base) -> str:
    return hash_rows(recipe, "", base.tokenizer_sha256, find_orders(recipe, base.orders))


def _render_rows(recipe: TrainRecipe, data: Path, work: Path) -> None:
    torch.set_num_threads(1)
    plan_run(recipe, data, work / "plans", rows=work / "rows")


def _do_unit(
    unit: Unit, base: Base, plan: AblationPlan, holes: Holes, run: AblationRun
) -> dict[str, Any]:
    started_s = time.monotonic()
    directory = run.work / "units" / unit.name
    adapter = None
    if unit.recipe is not None:
        rows = run.work / "rows"
        adapter = train(unit.recipe, run.data, directory, resume=True, report_to=(), rows=rows)
    trained_s = time.monotonic()
    _free_memory()
    model = _load_merged(base, adapter)
    answers = {
        context: fill_holes(
            model, base.renderer, base.orders[0], holes.rows, context, plan.held_out
        )
        for context in plan.held_out.contexts
    }
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    del model
    _free_memory()
    line = {
        "unit": unit.name,
        "base": unit.base,
        "regime": unit.regime,
        "seed": unit.seed,
        "num_parameters": num_parameters,
        "recipe": None if unit.recipe is None else _describe(unit.recipe, base),
        "provenance": _read_provenance(adapter),
        "metrics": _read_metrics(directory),
        "order": base.orders[0].value,
        "weights_sha256": base.weights_sha256,
        "environment": describe_environment(),
        "train_seconds": round(trained_s - started_s, 1),
        "seconds": round(time.monotonic() - started_s, 1),
        "answers": answers,
    }
    shutil.rmtree(directory, ignore_errors=True)
    return line


def _describe(recipe: TrainRecipe, base: Base) -> dict[str, Any]:
    # By its name, not by where it lies on the disk of this machine.
    return recipe.model_dump(mode="json") | {"base": Path(base.name).name}


def _load_merged(base: Base, adapter: Path | None) -> PreTrainedModel:
    """Return a model to ask, in fp32: bf16 would round small changes of the weights away."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        base.directory, dtype=torch.float32, attn_implementation="sdpa", use_safetensors=True
    )
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.nn.Module.to(model, device)
    model.eval()
    return model


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _read_provenance(adapter: Path | None) -> dict[str, Any] | None:
    if adapter is None:
        return None
    found: dict[str, Any] = json.loads((adapter / "provenance.json").read_text(encoding="utf-8"))
    del found["environment"]  # stands beside it
    return found


def _read_metrics(directory: Path) -> list[dict[str, Any]]:
    path = directory / METRICS_FILE
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _read_models(words: Sequence[str]) -> dict[str, str]:
    models = {}
    for word in words:
        name, is_pair, model = word.partition("=")
        if not is_pair or not model:
            raise RecipeError(f"--model {word!r} is no NAME=MODEL")
        models[name] = model
    return models


def main(
    plan: Annotated[Path, typer.Argument(exists=True, help="TOML plan.")],
    data: Annotated[Path, typer.Option(exists=True, help="Directory that `fimserve mine` wrote.")],
    dev: Annotated[Path, typer.Option(exists=True, help="Held-out rows of `fimserve eval repo`.")],
    model: Annotated[list[str], typer.Option(metavar="NAME=MODEL", help="A base; again for more.")],
    out: Annotated[Path, typer.Option(help="Directory of the results: small files.")],
    work: Annotated[Path, typer.Option(help="Directory of rows and checkpoints; may be lost.")],
    minutes: Annotated[
        float | None, typer.Option(help="Begin no unit that would end later. Default: no limit.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that render rows.")] = 1,
) -> None:
    """Run an ablation, or go on with it; the exit code is 3 where units are left."""
    try:
        run = AblationRun(data, dev, _read_models(model), out, work, minutes, workers)
        num_left = run_ablation(plan, run, lambda text: print(text, flush=True))
    except (RecipeError, SpansError) as error:
        raise SystemExit(f"error: {error}") from None
    if num_left:
        raise SystemExit(3)


if __name__ == "__main__":
    typer.run(main)
