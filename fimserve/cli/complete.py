"""`fimserve complete FILE:LINE:COL`: one completion, from a running server or a model loaded here.

Settings come from flags and environment only: a `fimserve.toml` in somebody's repository must not
decide where the text of a file is sent.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.failure import UsageFailure

if TYPE_CHECKING:
    from fimserve.cli.completed import Completed
    from fimserve.cli.question import Question
    from fimserve.cli.settings import Settings

__all__ = ["app", "complete"]

app = typer.Typer()


@app.command()
def complete(
    place: Annotated[
        str,
        typer.Argument(
            metavar="FILE:LINE:COL", help="Where the cursor stands; line and column from 1."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print text, finish reason, usage and timings as JSON.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="embedded, a directory, a hub id, or a name at --url.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Server to ask. Default: a local one if it is running.")
    ] = None,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Load the model here without looking for a server.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, max=512, help="Longest completion.")] = 64,
    multiline: Annotated[
        bool | None,
        typer.Option("--multiline/--single-line", help="Default: left to the engine."),
    ] = None,
    context: Annotated[
        bool,
        typer.Option(
            "--context/--no-context",
            help="Read the git repository and send pieces of its other files along.",
        ),
    ] = False,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the text from standard input; FILE names it.")
    ] = False,
) -> None:
    """Complete one place in a file.

    Columns count characters; the cursor stands before the character at its column, so the column
    after the last character is the end of the line. On a terminal the completion is shown in its
    context, in a pipe as bare text. A server on the default address is used if it is running.
    """
    from fimserve.cli.completed import print_completed
    from fimserve.cli.context import find_context
    from fimserve.cli.cursor import find_cursor, parse_place, read_source
    from fimserve.cli.question import Question
    from fimserve.cli.settings import load_settings

    if url is not None and no_server:
        raise UsageFailure("--url and --no-server exclude each other; give one of them")
    position = parse_place(place)
    cursor = find_cursor(read_source(position.file, stdin), position)
    settings = load_settings({"model": model}, {}, config=None)
    snippets = find_context(position.file, cursor) if context else ()
    question = Question(cursor, max_tokens, multiline, snippets)
    if url is not None:
        completed = _ask(url, question, model)
    else:
        completed = (None if no_server else _ask_running(question, settings)) or _ask_here(
            question, settings
        )
    print_completed(completed, cursor, as_json)


def _ask(url: str, question: "Question", model: str | None) -> "Completed":
    from fimserve.cli.server_client import ServerClient

    with ServerClient(url) as client:
        return client.complete(question, model)


def _ask_running(question: "Question", settings: "Settings") -> "Completed | None":
    """Return what the server on the default address says, or None if there is none to ask."""
    from fimserve.cli.server_client import ServerClient

    with ServerClient(settings.server.url) as client:
        served = client.find_model()
        wanted = settings.model if "model" in settings.model_fields_set else served
        # A server with another model than the one asked for is left alone.
        return client.complete(question, None) if served and served == wanted else None


def _ask_here(question: "Question", settings: "Settings") -> "Completed":
    from fimserve.cli.local_model import complete_here

    return complete_here(settings, question)
