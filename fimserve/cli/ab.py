"""`fimserve ab`: experiments. Only the group; each subcommand is a file of its own.

A subcommand's module imports what it needs when it runs, so that listing them stays quick.
"""

import typer

from fimserve.cli.ab_experiments import create, list_all, start, stop
from fimserve.cli.ab_plan import plan
from fimserve.cli.ab_report import report
from fimserve.cli.ab_simulate import simulate_users

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
app.command()(plan)
app.command()(report)
app.command("simulate")(simulate_users)
