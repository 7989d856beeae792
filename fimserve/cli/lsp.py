"""`fimserve lsp`: a language server on standard input and output, started by an editor.

The key for the server comes from the environment or a file: a command line can be read by every
user of a machine.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fimserve.cli.failure import UsageFailure
from fimserve.server.settings import ServerSettings

__all__ = ["app", "lsp"]

app = typer.Typer()

KEY_VARIABLE = "FIMSERVE_API_KEY"


@app.command()
def lsp(
    url: Annotated[
        str, typer.Option(help="Server that completes; editors may set it too.")
    ] = ServerSettings().url,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="File that holds the API key.", show_default="$FIMSERVE_API_KEY", dir_okay=False
        ),
    ] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Always so; editors like to say it.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log more to standard error, never text.")
    ] = False,
) -> None:
    """Offer completions to an editor by the language server protocol.

    The editor starts it and speaks LSP 3.18 with it; docs/lsp.md says what to paste where. The
    server at --url need not run yet: completions come when it does.
    """
    from fimserve.lsp.options import LspOptions, merge_options, read_key_file
    from fimserve.lsp.server import run_stdio

    given: dict[str, object] = {"url": url}
    try:
        if api_key_file is not None:
            given["apiKey"] = read_key_file(api_key_file)
        elif key := os.environ.get(KEY_VARIABLE):
            given["apiKey"] = key
    except ValueError as error:
        raise UsageFailure(str(error)) from None
    merged = merge_options(LspOptions(), given, is_start=True)
    if merged.problems:
        raise UsageFailure(merged.problems[0].removesuffix("; it is ignored"))
    logging.getLogger("fimserve.lsp").setLevel(logging.INFO if verbose else logging.WARNING)
    sys.exit(run_stdio(merged.options))
