"""`fimserve train`: fine-tune a model on mined spans and write a LoRA adapter.

Only the options; what they do is in `fimtraining.finetune`, imported when the command runs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.failure import Failure

if TYPE_CHECKING:
    from fimtraining.finetune.run import RunPlan

__all__ = ["app", "train"]

app = typer.Typer(
    help="Fine-tune a model on mined spans.", no_args_is_help=True, add_completion=False
)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="TOML recipe; see training/recipes/lora.")],
    data: Annotated[Path, typer.Option(help="Directory that `fimserve mine` wrote.")],
    out: Annotated[
        Path | None, typer.Option(help="Directory of the run. Default: runs/train/NAME.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replaces a value of the recipe."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest whole checkpoint.")
    ] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Also write the base with the adapter merged in.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Prepare the rows, say what they are, train nothing.")
    ] = False,
    wandb: Annotated[
        bool, typer.Option("--wandb", help="Also report to Weights & Biases, where installed.")
    ] = False,
) -> None:
    """Fine-tune a model on mined spans: a LoRA adapter.

    Several processes: `torchrun --nproc-per-node N -m fimserve train RECIPE --data DIR`.
    """
    try:
        from fimtraining.finetune.recipe import RecipeError, load_recipe
        from fimtraining.finetune.spans import SpansError
    except ImportError as error:
        raise Failure(
            f"training needs more than serving does ({error.name} is missing): "
            "pip install 'fimserve[train]'"
        ) from None
    from fimserve.models import ModelError

    try:
        loaded = load_recipe(recipe, changes or ())
        directory = out or Path("runs/train") / loaded.name
        from fimtraining.finetune import run

        if dry_run:
            _print_plan(run.plan_run(loaded, data, directory, _show), directory)
            return
        reports = ("tensorboard", "wandb") if wandb else ("tensorboard",)
        adapter = run.train(loaded, data, directory, resume, merge, reports, _show)
    except (RecipeError, SpansError, ModelError) as error:
        raise Failure(str(error)) from None
    print(f"adapter: {adapter}")


def _print_plan(plan: "RunPlan", directory: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from fimtraining.finetune.recipe import dump_recipe

    console = Console()
    counts = plan.train
    console.print(dump_recipe(plan.recipe), soft_wrap=True, highlight=False)
    table = Table(title="what the rows are made of")
    for name in ("kind", "examples", "%"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind, count in counts.kinds.items():
        table.add_row(kind, str(count), f"{100 * count / counts.num_examples:.1f}")
    console.print(table)
    places = counts.num_rows * plan.recipe.row_tokens
    console.print(
        f"{counts.num_rows} rows of {plan.recipe.row_tokens} tokens, "
        f"{100 * counts.num_tokens / places:.1f} % filled: {counts.num_examples} examples, "
        f"{counts.num_answer_tokens} tokens of middles, {counts.num_snippet_tokens} of snippets; "
        f"{counts.num_too_long} spans left out for their length",
        soft_wrap=True,
    )
    console.print(f"rows lie in {directory / 'rows'}; nothing was trained", soft_wrap=True)


@contextmanager
def _show(name: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(name, total=total)
        yield lambda num_done: progress.update(bar, completed=num_done)
