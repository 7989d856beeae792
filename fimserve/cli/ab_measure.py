"""What `fimserve ab report` and `fimserve ab plan` share: finding the store, reading days."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fimserve.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from fimserve.telemetry.database import Database

__all__ = ["AsJson", "Config", "Url", "now_ms", "open_database", "parse_day"]

Url = Annotated[
    str | None,
    typer.Option(
        help="Event database. Default: telemetry.url of the settings. A password is better kept in "
        "FIMSERVE_TELEMETRY_URL."
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="Settings file.", show_default="fimserve.toml where there is one", dir_okay=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def now_ms() -> int:
    """Return this machine's time in Unix milliseconds."""
    return int(datetime.now(UTC).timestamp() * 1000)


def parse_day(text: str, option: str, is_end: bool = False) -> int:
    """Return the beginning of a day in UTC, or of the next one.

    Args:
        text: The day, as 2026-01-31.
        option: Where it was given.
        is_end: Whether the whole day is meant to be in.

    Returns:
        Unix milliseconds.

    Raises:
        UsageFailure: If it is no day.
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageFailure(f"{option} is {text!r}; write a day as 2026-01-31") from None
    return int((day + timedelta(days=is_end)).timestamp() * 1000)


@contextmanager
def open_database(url: str | None, config: Path | None) -> Iterator["Database"]:
    """Open the event database of the settings; what goes wrong with it ends the command.

    Args:
        url: The database where it is given.
        config: The settings file where it is given.

    Yields:
        Database: The database, its tables at the newest version.

    Raises:
        UsageFailure: If events are switched off, or what was asked makes no sense.
        Failure: If the database is away.
    """
    from fimserve.cli.settings import find_config, load_settings
    from fimserve.telemetry import TelemetryError
    from fimserve.telemetry.database import Database, DatabaseAway
    from fimserve.telemetry.location import find_location
    from fimserve.telemetry.metrics.window import MeasureError

    settings = load_settings({}, {}, config or find_config(), None, {"url": url}).telemetry
    if not settings.is_on:
        raise UsageFailure("events are switched off ([telemetry] url is off); give --url")
    try:
        database = Database(find_location(settings))
        try:
            database.prepare()
            yield database
        finally:
            database.drop_connections()
    except MeasureError as error:
        raise UsageFailure(str(error)) from None
    except DatabaseAway as error:
        raise Failure(f"the event database is away: {error}") from None
    except TelemetryError as error:
        raise Failure(str(error)) from None
