"""`fimserve events`: what the event store holds, an export of it, deletion of what is too old.

Works beside a running service, on the database that the same settings name.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from fimserve.telemetry.archive import EventArchive, StoreCounts

__all__ = ["app", "export", "prune", "stats"]

app = typer.Typer(
    help="Look into the event store: counts, an export, deletion.",
    no_args_is_help=True,
    add_completion=False,
)

Url = Annotated[
    str | None,
    typer.Option(
        help="Database. Default: telemetry.url of the settings. A password is better kept in "
        "FIMSERVE_TELEMETRY_URL."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="Settings file.", show_default="fimserve.toml where there is one", dir_okay=False
    ),
]


@app.command()
def stats(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Count events by tenant and type, and what waits in the spool."""
    with _open(url, config) as archive:
        counts = archive.count()
    if as_json:
        print(json.dumps(_to_json(counts)))
    else:
        _print_table(counts)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Parquet file to write.", dir_okay=False)],
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="First day, 2026-01-31, in UTC. Default: all."),
    ] = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Write stored code too; keep the file safe.")
    ] = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Write events to a Parquet file, in the order in which they were stored."""
    since_ms = 0 if since is None else _parse_day(since)
    with _open(url, config) as archive:
        num_events = archive.export(file, since_ms, with_text)
    print(f"wrote {num_events} events to {file}", file=sys.stderr)


@app.command()
def prune(url: Url = None, config: Config = None) -> None:
    """Delete what is older than the settings allow; a running service does so by itself."""
    with _open(url, config) as archive:
        num_events = archive.prune()
    print(f"deleted {num_events} events")


@contextmanager
def _open(url: str | None, config: Path | None) -> Iterator["EventArchive"]:
    from fimserve.cli.settings import find_config, load_settings
    from fimserve.telemetry import TelemetryError
    from fimserve.telemetry.archive import open_archive

    settings = load_settings({}, {}, config or find_config(), None, {"url": url}).telemetry
    if not settings.is_on:
        raise UsageFailure("events are switched off ([telemetry] url is off); give --url")
    try:
        with open_archive(settings) as archive:
            yield archive
    except TelemetryError as error:
        raise Failure(str(error)) from None


def _parse_day(text: str) -> int:
    """Return the beginning of a day in Unix milliseconds."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageFailure(f"--since is {text!r}; write a day as 2026-01-31") from None
    return int(day.timestamp() * 1000)


def _to_json(counts: "StoreCounts") -> dict[str, object]:
    return {
        "events": [one._asdict() for one in counts.types],
        "num_texts": counts.num_texts,
        "num_spooled_files": counts.num_spooled_files,
        "num_spooled_bytes": counts.num_spooled_bytes,
    }


def _print_table(counts: "StoreCounts") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("tenant", "type", "events", "first received", "last received", title="events")
    for one in counts.types:
        days = [
            datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            for ms in (one.first_ms, one.last_ms)
        ]
        table.add_row(one.tenant, one.type, str(one.num_events), *days)
    console = Console()
    console.print(table)
    console.print(
        f"{counts.num_texts} events with code; {counts.num_spooled_files} files, "
        f"{counts.num_spooled_bytes} bytes wait for the database"
    )
