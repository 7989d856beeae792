"""From settings to the database's URL and the directory that stands in for it.

Creates nothing. Two databases never share a spool: what one could not take must not end up in the
other.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from fimserve.telemetry.errors import StoreSettingsError
from fimserve.telemetry.settings import SQLITE, TelemetrySettings

__all__ = ["Location", "find_location"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where events are."""

    url: URL
    spool: Path

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for PostgreSQL."""
        is_sqlite = self.url.get_backend_name() == "sqlite"
        return Path(self.url.database) if is_sqlite and self.url.database else None


def find_location(settings: TelemetrySettings) -> Location:
    """Return where these settings put events; StoreSettingsError where the URL is none.

    Args:
        settings: Settings that are not switched off.

    Returns:
        The place.
    """
    url = _parse_url(settings.url)
    if settings.spool:
        return Location(url, Path(settings.spool).expanduser())
    if url.get_backend_name() == "sqlite":
        return Location(url, Path(f"{url.database}.spool"))
    # The password may change while events wait.
    name = hashlib.sha256(str(url.set(password=None)).encode()).hexdigest()[:16]
    return Location(url, _state_directory() / f"spool-{name}")


def _parse_url(text: str) -> URL:
    if text == SQLITE:
        return URL.create("sqlite", database=str(_state_directory() / "events.db"))
    try:
        url = make_url(text)
    except ArgumentError:
        raise StoreSettingsError("url is no database URL") from None
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if not url.database or url.database == ":memory:":
        raise StoreSettingsError("url names no file; write sqlite:///PATH, absolute with 4 slashes")
    return url.set(database=str(Path(url.database).expanduser().absolute()))


def _state_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(home).expanduser() / "fimserve"
    except RuntimeError:  # a user without a home, as in some containers
        raise StoreSettingsError(
            "there is no home directory to keep events in; set url to a file, or to off"
        ) from None
