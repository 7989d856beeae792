"""`fimserve mine`: find spans that are hard to complete, and make a data set of them.

Only the options; what they do is in `fimserve.cli.mining`, imported when a command runs. The first
word decides: `stats`, `show`, `score` and `rank` look into a data set, everything else is a clone
to mine.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

__all__ = ["app", "rank", "run", "score", "show", "stats"]

DEFAULT_COMMAND = "run"


class MineGroup(TyperGroup):
    """A group whose command need not be named where clones are."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Take the first word as a command where it is one, else as an argument of `run`.

        Args:
            ctx: Context of the group.
            args: What the user typed after `fimserve mine`.

        Returns:
            Name of the command, the command, and its own arguments.
        """
        if args[0] not in self.commands:
            args = [DEFAULT_COMMAND, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options of `run` stand before the clones.

        Args:
            ctx: Context of the group.
            args: What the user typed after `fimserve mine`.

        Returns:
            What is left for the command.
        """
        if args and args[0] not in self.commands and args[0] not in ("--help",):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=MineGroup,
    help="Find spans that are hard to complete; make a data set of them.\n\n"
    "fimserve mine REPO... --out DIR mines clones; one that is called like a command is written "
    "./stats.",
    no_args_is_help=True,
    add_completion=False,
)

DataSet = Annotated[Path, typer.Argument(help="Directory of a mined data set.", file_okay=False)]


class Executor(StrEnum):
    """Who does the work."""

    LOCAL = "local"
    RAY = "ray"


@app.command()
def run(
    repos: Annotated[list[Path], typer.Argument(help="Local clones, bare or not.")],
    out: Annotated[
        Path, typer.Option(help="Directory of the data set; made or brought up to date.")
    ],
    languages: Annotated[
        str | None, typer.Option(help="Comma-separated, such as python,go. Default: all.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "HEAD",
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML; docs/mining.md lists the keys.", dir_okay=False)
    ] = None,
    executor: Annotated[Executor, typer.Option(help="Who does the work.")] = Executor.LOCAL,
    decontamination: Annotated[
        Path | None,
        typer.Option(help="Directory with decontamination.json and the evaluation files it names."),
    ] = None,
    from_telemetry: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Event store whose acceptance per kind counts. A password is better kept in "
            "FIMSERVE_TELEMETRY_URL.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Mine clones into a data set; a second run touches only what changed."""
    from fimserve.cli.mining import MineOptions, run_mining

    run_mining(
        MineOptions(
            repos=tuple(repos),
            out=out,
            languages=languages,
            revision=revision,
            jobs=jobs,
            recipe=recipe,
            executor="ray" if executor is Executor.RAY else "local",
            decontamination=decontamination,
            telemetry_url=from_telemetry,
            as_json=as_json,
        )
    )


@app.command()
def score(
    directory: DataSet,
    model: Annotated[
        str, typer.Option(help="embedded, a directory, a hub id, or a name at --url.")
    ] = "embedded",
    url: Annotated[
        str | None,
        typer.Option(help="OpenAI-compatible server that takes suffix. Default: load --model."),
    ] = None,
    per_kind: Annotated[int, typer.Option(min=1, help="Spans of each kind in each language.")] = 50,
    languages: Annotated[
        str | None, typer.Option(help="Comma-separated. Default: all of the data set.")
    ] = None,
    max_prompt_tokens: Annotated[
        int, typer.Option(min=64, help="Prompt of one span; not with --url.")
    ] = 1024,
    dtype: Annotated[str, typer.Option(help="auto, bf16, fp32, int8-dynamic; not with --url.")] = (
        "auto"
    ),
    write: Annotated[
        bool,
        typer.Option(
            help="Let the model write; --no-write tells by one forward pass whether it would be "
            "exact, some ten times faster and without edit similarity; not with --url."
        ),
    ] = True,
    parallel: Annotated[int, typer.Option(min=1, help="Questions at a time.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
) -> None:
    """Ask a model for a sample of the spans; one that was stopped goes on where it was."""
    from fimserve.cli.mining import ScoreOptions, run_scoring

    run_scoring(
        ScoreOptions(
            directory=directory,
            model=model,
            url=url,
            per_kind=per_kind,
            languages=languages,
            max_prompt_tokens=max_prompt_tokens,
            dtype=dtype,
            writes=write,
            parallel=parallel,
            seed=seed,
        )
    )


@app.command()
def rank(
    directory: DataSet,
    results: Annotated[
        Path | None, typer.Option(help="File that gets the result as a JSON line.", dir_okay=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture to draw, .svg or .png.", dir_okay=False)
    ] = None,
    repositories: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated owner/name, say those a model was not trained on. Default: all."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank the kinds by the failure of the model that was asked, with 95 % intervals."""
    from fimserve.cli.mining import run_ranking

    run_ranking(directory, results, plot, repositories, as_json)


@app.command()
def stats(
    directory: DataSet,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count what a data set holds and what was left out, by reason."""
    from fimserve.cli.mining import run_stats

    run_stats(directory, as_json)


@app.command()
def show(
    directory: DataSet,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as call.")] = None,
    language: Annotated[str | None, typer.Option(help="Only this language.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many.")] = 3,
    hardest: Annotated[bool, typer.Option(help="The hardest ones instead of any.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides which.")] = 0,
) -> None:
    """Show examples, the hole highlighted."""
    from fimserve.cli.mining import run_show

    run_show(directory, kind, language, limit, hardest, seed)
