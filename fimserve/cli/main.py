"""The `fimserve` command: which commands exist, and nothing of what they do.

A command's module is imported when the command is called, so `fimserve --help` stays far below
half a second.
"""

import importlib
import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from fimserve import __version__
from fimserve.cli.failure import Failure, print_failure

__all__ = ["COMMANDS", "app", "load_command", "run"]

COMMANDS = {
    "serve": ("fimserve.cli.serve", "Serve completions over HTTP."),
    "keys": ("fimserve.cli.keys", "Make, list and revoke API keys."),
    "complete": ("fimserve.cli.complete", "Complete one place in a file."),
    "lsp": ("fimserve.cli.lsp", "Offer completions to an editor by the language server protocol."),
    "mine": ("fimserve.cli.mine", "Find spans that are hard to complete; make a data set of them."),
    "train": ("fimserve.cli.train", "Fine-tune a model on mined spans: a LoRA adapter."),
    "eval": ("fimserve.cli.eval", "Score completions on a benchmark: generate, score, report."),
    "bench": (
        "fimserve.cli.bench",
        "Measure a completion server: latency, goodput, a soak, events.",
    ),
    "events": ("fimserve.cli.events", "Look into the event store: counts, an export, deletion."),
    "ab": ("fimserve.cli.ab", "Run experiments on real users, and decide by them."),
    "export": ("fimserve.cli.export", "Write a model as a plain Hugging Face directory."),
}
"""For each command: the module whose `app` it is, and its line on the help page."""


class LazyGroup(TyperGroup):
    """A group that imports a command when it is called, and none to list them.

    Contexts and commands are `Any` here because typer brings its own click since 0.2x, under
    private names.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands in the order of the help page.

        Args:
            ctx: Not used.

        Returns:
            The names.
        """
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that the help page can show, or None.

        Args:
            ctx: Not used.
            cmd_name: Name of the command.

        Returns:
            A command that has a name and a help line, and does nothing.
        """
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(name=cmd_name, help=COMMANDS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command that args begin with.

        Args:
            ctx: Context of the group.
            args: What the user typed after `fimserve`.

        Returns:
            Name of the command, the command, and its own arguments.
        """
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(args[0]), rest


def load_command(name: str) -> Any:
    """Import the module of one command and return the command."""
    command = get_command(importlib.import_module(COMMANDS[name][0]).app)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    name="fimserve",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"fimserve {__version__}")
        raise typer.Exit


@app.callback()
def fimserve(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Code completion at the cursor, in tens of milliseconds, on your own hardware."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )


def run() -> None:
    """Run the command line and end the process."""
    # Read when torch is loaded. By default a thread of GNU OpenMP spins for milliseconds at the end
    # of each parallel region; beside an editor at work that keeps the thread it waits for off the
    # core, and a step takes ten times as long (docs/LOG.md, 2026-11-24).
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app()
    except Failure as failure:
        print_failure(failure)
        sys.exit(failure.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
