"""`fimserve ab`: experiments. Only the group; each subcommand is a file of its own.

A subcommand's module imports what it needs when it runs, so that listing them stays quick.
"""

import typer

from fimserve.cli.ab_experiments import create, list_all, start, stop

__all__ = ["app"]

app = typer.Typer(
    help="Run experiments on real users, and decide by them.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def ab() -> None:
    """Run experiments on real users, and decide by them."""


app.command()(create)
app.command()(start)
app.command()(stop)
app.command("list")(list_all)
