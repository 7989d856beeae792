"""Command line of the corpus: `scan` lists clones, `build` makes the corpus of a recipe."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fimcurriculum.sources.decontamination import DecontaminationError
from fimtraining.corpus.build import CorpusError, build_corpus
from fimtraining.corpus.recipe import RecipeError, render_repositories
from fimtraining.corpus.scan import scan_clones

app = typer.Typer(no_args_is_help=True, help="Build training corpora from local clones.")
console = Console()


@app.command()
def scan(
    clones: Annotated[Path, typer.Argument(exists=True, help="Clones named owner+name.")],
    out: Annotated[Path, typer.Option(help="TOML file to write.")],
) -> None:
    """List the clones with their commits and licences, as read from their licence files."""
    usable, refused = scan_clones(clones)
    out.write_text(render_repositories(usable), encoding="utf-8")
    for name, reason in refused.items():
        console.print(f"left out {name}: {reason}", highlight=False)
    console.print(f"{len(usable)} repositories in {out}, {len(refused)} left out")


@app.command()
def build(
    recipe: Annotated[Path, typer.Argument(exists=True, help="Recipe, TOML.")],
    clones: Annotated[Path, typer.Option(exists=True, help="Clones named owner+name.")],
    out: Annotated[Path, typer.Option(help="Output directory.")],
    eval_dir: Annotated[Path, typer.Option(help="Evaluation data to keep out.")],
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Build a corpus: Parquet shards and manifest.json."""
    try:
        manifest = build_corpus(recipe, clones, eval_dir, out, jobs)
    except (CorpusError, DecontaminationError, RecipeError) as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    console.print(f"{manifest['total_bytes'] / 1e9:.2f} GB of text in {out}")


if __name__ == "__main__":
    app()
